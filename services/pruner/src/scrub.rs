//! Scrubbing: every stored byte is read again from time to time, slowly, and damage is told before somebody needs the bytes.
//!
//! Each pack is read once, whatever the number of images that use it: a chunk's compressed bytes must have the sum they were
//! written with. Which chunks a blob is made of was checked when it was made, and is checked when it is first served.

use std::time::Duration;

use chassis::{Context, stage};
use db::store::scrub::Scrubbing;
use store::{Kept, Store};
use tokio::time::Instant;
use tracing::{error, info, warn};

/// Bytes between two looks at the clock.
const STEP: u64 = 1 << 20;

pub(crate) async fn run(cx: Context, store: Store) {
    if cx.config.scrub_rate == 0 {
        cx.shutdown.cancelled().await;
        return;
    }
    let every = Duration::from_secs(cx.config.scrub_every);
    while !cx.shutdown.is_cancelled() {
        let read = match cx.db.scrub_next(every).await {
            Ok(Some(next)) => match pack(&cx, &store, &next).await {
                Ok(()) => true,
                Err(error) => {
                    warn!(error = %format!("{error:#}"), pack.id = next.pack, "a scrub waits");
                    false
                }
            },
            Ok(None) => false,
            Err(error) => {
                warn!(error = %chassis::halt::chain(&error), "a scrub waits for the database");
                false
            }
        };
        if !read {
            cx.shutdown.run_until_cancelled(tokio::time::sleep(stage::SWEEP)).await;
        }
    }
}

async fn pack(cx: &Context, store: &Store, next: &Scrubbing) -> anyhow::Result<()> {
    let (mut sound, mut damaged) = (Vec::new(), Vec::new());
    let (mut buffer, mut read, began) = (Vec::new(), 0u64, Instant::now());
    let mut looked = 0;
    for chunk in &next.chunks {
        let (offset, length, sum) = (chunk.offset, chunk.length, chunk.sum);
        let kept = Kept { pack: next.pack.parse()?, offset, length, sum };
        let store = store.clone();
        let checked =
            tokio::task::spawn_blocking(move || (store.is_sound(&kept, &mut buffer), buffer)).await?;
        buffer = checked.1;
        if checked.0? {
            sound.push(chunk.id)
        } else {
            damaged.push(chunk.id)
        }
        read += u64::from(length);
        if read - looked >= STEP {
            looked = read;
            let due = began + Duration::from_secs_f64(read as f64 / cx.config.scrub_rate as f64);
            if cx.shutdown.run_until_cancelled(tokio::time::sleep_until(due)).await.is_none() {
                return Ok(());
            }
        }
    }
    // A pack that was rewritten or reclaimed meanwhile has no chunks any more, and nothing is said about it.
    let images = cx.db.scrubbed(&next.pack, &sound, &damaged).await?;
    if damaged.is_empty() {
        info!(pack.id = next.pack, bytes = read, "a pack was read and is sound");
    } else {
        let chunks = damaged.len();
        error!(code = "store.damaged", pack.id = next.pack, chunks, images, "stored bytes are damaged");
    }
    Ok(())
}
