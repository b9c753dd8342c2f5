//! The store's index, as Postgres keeps it.

use std::time::Duration;

use db::Db;
use store::{ChunkIndex, ChunkKey, Located};
use tokio::runtime::Handle;

/// How long packs that were found are held: longer than any import between finding a chunk and saving its recipe.
/// A claim that lapses leaves nothing behind but this.
const HOLD: Duration = Duration::from_secs(3600);

/// Chunks in Postgres, asked from a blocking thread.
pub(crate) struct Chunks {
    pub(crate) db: Db,
    pub(crate) runtime: Handle,
}

impl ChunkIndex for Chunks {
    fn find(&self, keys: &[ChunkKey]) -> anyhow::Result<Vec<Option<Located>>> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        let digests: Vec<[u8; 32]> = keys.iter().map(|key| key.digest).collect();
        let found = self.runtime.block_on(self.db.find_chunks(&digests, &first.codec.to_string(), HOLD))?;
        keys.iter()
            .map(|key| {
                let Some(chunk) = found.get(&key.digest) else { return Ok(None) };
                Ok(Some(Located {
                    chunk: chunk.id,
                    pack: chunk.pack.parse()?,
                    offset: chunk.offset,
                    length: chunk.length,
                    plain: chunk.plain,
                }))
            })
            .collect()
    }
}
