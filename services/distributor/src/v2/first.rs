//! A layer that is served whole for the first time is held to its digest: its last piece leaves only when all were right.

use std::io;

use bytes::Bytes;
use db::Db;
use futures::{Stream, StreamExt, stream};
use sha2::{Digest, Sha256};

struct Held<S> {
    pieces: S,
    hash: Sha256,
    left: u64,
    db: Db,
    digest: String,
}

/// The same pieces, `size` bytes in all; an error in place of the last one if they are not what `digest` says.
pub(super) fn held(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    db: Db,
    digest: String,
    size: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let held = Held { pieces, hash: Sha256::new(), left: size, db, digest };
    stream::try_unfold(held, |mut held| async move {
        let Some(piece) = held.pieces.next().await.transpose()? else { return Ok(None) };
        let mut hash = held.hash;
        let hashed = tokio::task::spawn_blocking(move || {
            hash.update(&piece);
            (hash, piece)
        });
        let (hash, piece) = hashed.await.map_err(io::Error::other)?;
        held.hash = hash;
        held.left = held.left.saturating_sub(piece.len() as u64);
        if held.left == 0 {
            let found = format!("sha256:{}", hex::encode(held.hash.clone().finalize()));
            ends(&held.db, &held.digest, &found).await?;
        }
        Ok(Some((piece, held)))
    })
}

async fn ends(db: &Db, digest: &str, found: &str) -> io::Result<()> {
    let right = found == digest;
    if let Err(error) = db.recipe_is_read(digest, right).await {
        tracing::warn!(blob = digest, error = %error, "that a blob was read could not be noted");
    }
    let told = || format!("{digest} is stored as {found}: its packs will be scrubbed");
    if right { Ok(()) } else { Err(io::Error::other(told())) }
}
