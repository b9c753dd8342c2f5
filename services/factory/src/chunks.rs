//! The store's index, as Postgres keeps it.

use db::Db;
use db::import::Claim;
use store::{ChunkIndex, ChunkKey, Located};
use tokio::runtime::Handle;

/// Chunks in Postgres, asked from a blocking thread. What is found is held for the claim.
pub(crate) struct Chunks {
    pub(crate) db: Db,
    pub(crate) claim: Claim,
    pub(crate) runtime: Handle,
}

impl ChunkIndex for Chunks {
    fn find(&self, keys: &[ChunkKey]) -> anyhow::Result<Vec<Option<Located>>> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        let digests: Vec<[u8; 32]> = keys.iter().map(|key| key.digest).collect();
        let found =
            self.runtime.block_on(self.db.find_chunks(&self.claim, &digests, &first.codec.to_string()))?;
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
