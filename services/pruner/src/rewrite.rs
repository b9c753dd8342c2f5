//! Rewriting packs: what is used of mostly dead ones, and tiny ones together, moves to a new one.

use chassis::Context;
use store::{Kept, PackId, Store};
use tracing::{error, info};

/// Bytes that one rewrite moves at the most.
const MOST: u64 = 256 << 20;

/// Rewrites that follow each other at the most, before others have their turn.
const ROUNDS: usize = 16;

/// Rewrites what is worth it.
pub(crate) async fn run(cx: &Context, store: &Store) -> anyhow::Result<()> {
    for _ in 0..ROUNDS {
        if cx.shutdown.is_cancelled() || !one(cx, store).await? {
            break;
        }
    }
    Ok(())
}

/// False when nothing was worth it, or nothing came of it.
async fn one(cx: &Context, store: &Store) -> anyhow::Result<bool> {
    let pack = PackId::new();
    let Some(rewrite) = cx.db.rewrite_begins(&pack.to_string(), MOST).await? else { return Ok(false) };
    let mut chunks = Vec::with_capacity(rewrite.chunks.len());
    for chunk in &rewrite.chunks {
        let (offset, length, sum) = (chunk.offset, chunk.length, chunk.sum);
        chunks.push(Kept { pack: chunk.pack.parse()?, offset, length, sum });
    }
    let copying = store.clone();
    let copied = tokio::task::spawn_blocking(move || copying.copy_chunks(pack, &chunks)).await??;
    let mut moved = Vec::with_capacity(rewrite.chunks.len());
    for (chunk, place) in rewrite.chunks.iter().zip(&copied.places) {
        match place {
            Some(place) => moved.push((chunk.id, *place)),
            None => {
                error!(code = "store.damaged", pack.id = chunk.pack, chunk.id, "a chunk to move is damaged")
            }
        }
    }
    let dead = cx.db.rewritten(&pack.to_string(), copied.size, &rewrite.packs, &moved).await?;
    info!(pack.id = %pack, bytes = copied.size, from = rewrite.packs.len(), dead = dead.len(), "packs were rewritten");
    Ok(!dead.is_empty())
}
