//! The slow clock: what no event tells of. Staged archives nobody waits for, objects without a row, old events.

use std::time::Duration;

use chassis::Context;
use model::ImageId;
use store::Store;
use tracing::{info, warn};

const EVERY: Duration = Duration::from_secs(60);

/// An object may be this old before a missing row says that it is rubbish: its row goes first, but an operator may
/// be restoring a database.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// An unfinished one is nobody's once its row is gone.
const PART_AGE: Duration = Duration::from_secs(60);

/// Events stay in the ledger this long.
const LEDGER: Duration = Duration::from_secs(30 * 24 * 3600);

pub(crate) async fn run(cx: Context, store: Store) {
    while cx.shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        if let Err(error) = sweep(&cx, &store).await {
            warn!(error = %format!("{error:#}"), "a sweep waits");
        }
    }
}

async fn sweep(cx: &Context, store: &Store) -> anyhow::Result<()> {
    for upload in store.list_uploads().await? {
        let needed = match ImageId::from_bytes(upload.id.owner()) {
            Some(image) => cx.db.upload_is_needed(&image).await?,
            None => false,
        };
        if !needed {
            store.delete_upload(upload.id).await?;
            info!(upload.id = %upload.id, "a staged archive was dropped");
        }
    }
    for pack in store.list_packs().await? {
        let age = if pack.finished { ORPHAN_AGE } else { PART_AGE };
        if pack.age > age && !cx.db.pack_is_known(&pack.id.to_string()).await? {
            store.delete_pack(pack.id).await?;
            info!(pack.id = %pack.id, "a pack without a row was dropped");
        }
    }
    crate::rewrite::run(cx, store).await?;
    cx.db.forget_events(LEDGER).await?;
    Ok(())
}
