//! Chunks, packs and recipes: finding and keeping bytes.
//!
//! A layer blob is a concatenation of independently compressed **chunks** (zstd frames or gzip members), and any such
//! concatenation is itself a valid stream. Equal content gives equal chunks, whatever image it is in, so a chunk is
//! compressed once and stored once. The new chunks of an import go into one **pack**, an immutable object:
//!
//! ```text
//! packs/ab/ab12…   chunks, one after the other
//! uploads/<id>     archives on their way in
//! ```
//!
//! A **recipe** is the ordered list of a blob's chunks. It lives in the database and names chunks, not places in
//! packs, so that rewriting a pack changes no recipe; a reader is given [`Run`]s, the places resolved from it.
//!
//! This crate knows no SQL: [`ChunkIndex`] is the one seam to whoever remembers where chunks are. It is also the only
//! one that says `object_store`. On a local directory packs are read straight from their files, which costs one copy
//! less than an object's stream.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};

mod budget;
mod chunk;
mod codec;
mod cut;
mod error;
mod pack;
mod pipeline;
mod read;
pub mod staging;
mod writer;

pub use chunk::{ChunkIndex, ChunkKey, Located, NewChunk};
pub use codec::Codec;
pub use error::{Result, StoreError};
pub use pack::{PackId, PackInfo};
pub use read::{Run, RunReader};
pub use writer::{ChunkUse, LayerWriter, WriteOptions, WrittenLayer};

/// A regular file of this many bytes or more is cut into chunks of its own.
pub const BIG: u64 = 256 * 1024;

/// The store of a factory: a directory.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    objects: Arc<dyn ObjectStore>,
}

impl Store {
    /// Opens the store in a directory, made if it is not there.
    ///
    /// # Errors
    /// When the directory cannot be made or used.
    pub fn open(root: &Path) -> Result<Self> {
        for dir in ["packs", "uploads"] {
            std::fs::create_dir_all(root.join(dir)).map_err(StoreError::io("the store cannot be opened"))?;
        }
        let root = root.canonicalize().map_err(StoreError::io("the store cannot be opened"))?;
        // Off by default: without it a crash of the machine could leave rows that point at nothing.
        let objects = LocalFileSystem::new_with_prefix(&root)?.with_fsync(true);
        Ok(Self { root, objects: Arc::new(objects) })
    }

    /// The packs there are, for finding those without a row.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn list_packs(&self) -> Result<Vec<PackInfo>> {
        let objects: Vec<_> = self.objects.list(Some(&Key::from("packs"))).try_collect().await?;
        let now = std::time::SystemTime::now();
        Ok(objects
            .into_iter()
            .filter_map(|object| {
                let id = object.location.filename()?.parse().ok()?;
                let age = now.duration_since(object.last_modified.into()).unwrap_or(Duration::ZERO);
                Some(PackInfo { id, size: object.size, age })
            })
            .collect())
    }

    /// Removes a pack; one that is not there is no error.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub async fn delete_pack(&self, pack: &PackId) -> Result<()> {
        match self.objects.delete(&pack.key()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
