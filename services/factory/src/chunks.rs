//! The store's index, as Postgres keeps it.

use std::collections::HashMap;

use db::Db;
use db::import::Claim;
use store::{Checkpoint, ChunkIndex, ChunkKey, Codec, Located};
use tokio::runtime::Handle;

/// Chunks in Postgres, asked from a blocking thread. What is found is held for the claim.
#[derive(Clone)]
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
                    proven: chunk.proven,
                }))
            })
            .collect()
    }
}

impl Chunks {
    /// Where somebody stood after the same chunks, as far on as possible.
    pub(crate) fn checkpoint(&self, ids: &[i64], marks: &[usize]) -> db::Result<Option<Checkpoint>> {
        let found = self.runtime.block_on(self.db.checkpoint(ids, marks, Checkpoint::VERSION))?;
        Ok(found.map(|found| Checkpoint {
            chunks: found.chunks,
            size: found.size,
            plain: found.plain,
            blob: found.blob,
            diff: found.diff,
        }))
    }

    /// Large contents that were proved, and the chunks that they are.
    pub(crate) fn contents(
        &self,
        digests: &[[u8; 32]],
        codec: Codec,
    ) -> db::Result<HashMap<[u8; 32], Vec<i64>>> {
        self.runtime.block_on(self.db.proven_contents(digests, &codec.to_string()))
    }
}
