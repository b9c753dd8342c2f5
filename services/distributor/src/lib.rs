//! What was stored is read back, verified, made live, and served.
//!
//! Two halves: a stage that turns `saving` into `live`, and `/v2/`, a read-only OCI Distribution API for the servers
//! that run the images.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use chassis::{Context, stage};
use model::event::{Event, ImageFlattened};
use store::{Store, StoreConfig};

mod composed;
mod on_image_flattened;
mod runs;
mod v2;

/// Verifies what was stored, until shutdown.
///
/// # Errors
/// When the store cannot be opened.
pub async fn run(cx: Context) -> Result<()> {
    let store = Store::open(StoreConfig { threads: 1, ..StoreConfig::local(cx.config.store_dir()) })?;
    let bell = cx.bus.pull(bus::IMAGES, "distributor-image-flattened", ImageFlattened::SUBJECT);
    stage::run(cx, on_image_flattened::Verify { store }, vec![bell]).await;
    Ok(())
}

/// The routes under `/v2/`.
///
/// # Errors
/// When the store cannot be opened.
pub fn routes(cx: &Context) -> Result<Router> {
    let store = Store::open(StoreConfig { threads: 1, ..StoreConfig::local(cx.config.store_dir()) })?;
    Ok(v2::routes(v2::App { db: cx.db.clone(), store, manifests: Arc::new(v2::Manifests::new()) }))
}

/// Verifies, and serves `/v2/` on an address of its own, until shutdown.
///
/// # Errors
/// When the address cannot be listened on, or the store cannot be opened.
pub async fn serve(cx: Context, listen: SocketAddr) -> Result<()> {
    let listener = chassis::serve::bind(listen).await?;
    let routes = routes(&cx)?;
    let (served, worked) =
        tokio::join!(chassis::serve::serve(listener, routes, cx.shutdown.clone()), run(cx.clone()));
    served.and(worked)
}
