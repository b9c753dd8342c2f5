#![doc = include_str!("../README.md")]

mod chunk;
mod disk;
mod error;
mod intake;
mod pack;
mod read;
mod recipe;
mod store;
mod upload;

pub use chunk::{ChunkIndex, ChunkKey, ChunkSizes, Codec, Located};
pub use error::Error;
pub use intake::{
    Assembled, Checkpoint, Chunk, ChunkUse, Intake, Large, NewChunk, Part, Prove, Proved, Written,
    WrittenPack,
};
pub use pack::{Copied, Kept, PackEntry, PackId};
pub use read::RunReader;
pub use recipe::{Run, merge_runs};
pub use store::{Store, StoreConfig};
pub use upload::{UploadEntry, UploadId};
