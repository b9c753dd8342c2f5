//! Fetches, flattens, stores.
//!
//! ```text
//! claim ─► open the input (registry or archive) ─► read layers, in parallel ─► model ─► emit ─► store ─► save
//! ```
//!
//! Everything up to the last transaction can be thrown away: a factory that vanishes leaves a lapsed lease, unnamed
//! temporary files, and at most one pack whose row says who was writing it.

use anyhow::Result;
use chassis::{Context, stage};
use model::event::{Event, ImageImportRequested};

mod build;
mod chunks;
mod flat;
mod input;
mod on_image_import_requested;
mod request;

/// Imports until shutdown.
///
/// # Errors
/// When the store cannot be opened.
pub async fn run(cx: Context) -> Result<()> {
    let builds = cx.config.data_dir.join("builds");
    tokio::task::spawn_blocking(move || ::build::sweep(&builds));
    let worker = on_image_import_requested::Importer::new(&cx)?;
    let bell = cx.bus.pull(bus::IMAGES, "factory-image-import-requested", ImageImportRequested::SUBJECT);
    stage::run(cx, worker, vec![bell]).await;
    Ok(())
}
