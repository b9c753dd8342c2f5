//! `image.pruned`: an image was let go, so what it held may be reclaimed.

use chassis::{Context, stage};
use model::event::{Event, ImagePruned};
use store::Store;
use tracing::{info, warn};

use crate::rewrite;

/// Reclaims whenever the bell rings, and by the clock, until shutdown.
pub(crate) async fn run(cx: Context, store: Store) {
    let mut pull = cx.bus.pull(bus::IMAGES, "pruner-image-pruned", ImagePruned::SUBJECT);
    while !cx.shutdown.is_cancelled() {
        if let Err(error) = reclaim(&cx, &store).await {
            warn!(error = %format!("{error:#}"), "a reclaim waits");
        }
        let message = tokio::select! {
            message = pull.next(stage::SWEEP) => message,
            () = cx.shutdown.cancelled() => None,
        };
        if let Some(message) = message {
            message.ack().await;
        }
    }
}

async fn reclaim(cx: &Context, store: &Store) -> anyhow::Result<()> {
    let mut freed = false;
    while cx.db.reclaim_next().await? {
        freed = true;
    }
    while let Some(pack) = cx.db.kill_pack().await? {
        info!(pack.id = pack, "nobody needs a pack any more");
    }
    if freed {
        rewrite::run(cx, store).await?;
    }
    for pack in cx.db.dead_packs(cx.config.grace(), 100).await? {
        store.delete_pack(pack.parse()?).await?;
        cx.db.pack_is_gone(&pack).await?;
        info!(pack.id = pack, "a pack was reclaimed");
    }
    Ok(())
}
