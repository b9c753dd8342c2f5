//! Writing a layer: a plain tar goes in, chunks and both digests come out.

mod budget;
mod collector;
mod pipeline;
mod writer;
mod written;

pub use writer::LayerWriter;
pub use written::{ChunkUse, NewChunk, Written, WrittenLayer, WrittenPack};
