//! Chunks, and the one seam to whoever remembers where they are.

use crate::{Codec, PackId};

/// What a chunk is known by. BLAKE3, since this digest is only ours and never leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkKey {
    /// BLAKE3 of the plain bytes.
    pub digest: [u8; 32],
    /// How they are compressed.
    pub codec: Codec,
}

/// A chunk the store has.
#[derive(Debug, Clone)]
pub struct Located {
    /// Its id in the index.
    pub id: i64,
    /// The pack that holds it.
    pub pack: PackId,
    /// Where it begins.
    pub offset: u64,
    /// Compressed bytes.
    pub length: u32,
}

/// A chunk that was written into the new pack.
#[derive(Debug, Clone)]
pub struct NewChunk {
    /// BLAKE3 of its plain bytes.
    pub digest: [u8; 32],
    /// Where it begins in the pack.
    pub offset: u64,
    /// Compressed bytes.
    pub length: u32,
    /// Plain bytes.
    pub plain: u32,
}

/// Remembers where chunks are. Postgres in production; in memory in tests.
pub trait ChunkIndex: Send + Sync {
    /// Where are these? One answer for each key, in order. What is found is also held: its pack stays until the import
    /// that asked is over. Blocking; called from a thread of the import's own.
    ///
    /// # Errors
    /// When the index cannot be reached.
    fn find(&self, keys: &[ChunkKey]) -> Result<Vec<Option<Located>>, Box<dyn std::error::Error + Send + Sync>>;
}
