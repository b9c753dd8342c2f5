//! What finished layers are, ready for the import's final transaction.

use crate::{
    chunk::{ChunkKey, Codec},
    pack::PackId,
};

/// The layers of one import, whose bytes are all durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The layers, in the order they were written.
    pub layers: Vec<WrittenLayer>,
    /// How the chunks are compressed.
    pub codec: Codec,
    /// The chunks to add to the index, in pack order.
    pub new: Vec<NewChunk>,
    /// The pack they are in; `None` if there are none.
    pub pack: Option<WrittenPack>,
    /// Compressed bytes added to the store: the size of the pack.
    pub bytes_new: u64,
    /// The most bytes the writer held in buffers at once.
    pub peak_bytes: usize,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenLayer {
    /// SHA-256 of the plain tar: the layer's identity on any machine.
    pub diff_id: [u8; 32],
    /// SHA-256 of the blob, the concatenation of its chunks.
    pub digest: [u8; 32],
    /// Bytes of the blob.
    pub size: u64,
    /// Bytes of the plain tar.
    pub plain_size: u64,
    /// The recipe.
    pub chunks: Vec<ChunkUse>,
}

/// One place of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkUse {
    /// A chunk the index knew, by its id.
    Known(i64),
    /// The chunk of this position in `Written::new`; a content met twice is one of these twice.
    New(usize),
}

/// A chunk the index did not know when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewChunk {
    /// Its key.
    pub key: ChunkKey,
    /// Where it begins in the pack, in bytes.
    pub offset: u64,
    /// Compressed length in bytes.
    pub length: u32,
    /// Plain length in bytes.
    pub plain: u32,
}

/// The pack of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenPack {
    /// The id the caller gave.
    pub id: PackId,
    /// Its size in bytes.
    pub size: u64,
}
