//! Letting go: unused images on request, and the bytes of what was let go.
//!
//! A prune only chooses and tells (`image.pruned`); reclaiming is work of its own that any copy of this service can
//! do. Rows go before bytes: use counts first, then a pack's rows, and after a grace time its object, so that neither
//! a pull under way nor an import that has just found a chunk is ever hurt.

use anyhow::Result;
use chassis::Context;
use store::{Store, StoreConfig};
use tokio::task::JoinSet;

mod on_image_prune_requested;
mod on_image_pruned;
mod rewrite;
mod scrub;
mod sweep;

/// Prunes and reclaims until shutdown.
///
/// # Errors
/// When the store cannot be opened.
pub async fn run(cx: Context) -> Result<()> {
    let store = Store::open(StoreConfig { threads: 1, ..StoreConfig::local(cx.config.store_dir()) })?;
    let mut tasks = JoinSet::new();
    tasks.spawn(on_image_prune_requested::run(cx.clone()));
    tasks.spawn(on_image_pruned::run(cx.clone(), store.clone()));
    tasks.spawn(scrub::run(cx.clone(), store.clone()));
    tasks.spawn(sweep::run(cx, store));
    while tasks.join_next().await.is_some() {}
    Ok(())
}
