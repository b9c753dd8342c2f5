//! Pins what is to be imported: exactly one digest and platform, whatever happens to tags meanwhile.
//!
//! Both an image that was created and an import that is asked for may need it, so this service listens to both.

use anyhow::Result;
use chassis::{Context, stage};
use model::event::{Event, ImageCreated, ImageImportRequested};

mod on_image_created;

/// Pins targets until shutdown.
///
/// # Errors
/// Never by itself: outages are waited out.
pub async fn run(cx: Context) -> Result<()> {
    let worker = on_image_created::Pinner::new(&cx);
    let bells = vec![
        cx.bus.pull(bus::IMAGES, "resolver-image-created", ImageCreated::SUBJECT),
        cx.bus.pull(bus::IMAGES, "resolver-image-import-requested", ImageImportRequested::SUBJECT),
    ];
    stage::run(cx, worker, bells).await;
    Ok(())
}
