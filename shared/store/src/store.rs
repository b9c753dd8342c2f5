//! The open store: its settings, its directory, and the threads that compress for it.

mod threads;

use threads::Threads;

use crate::{chunk::ChunkSizes, disk::Disk, error::Error, read::Buffers};
use std::{path::PathBuf, sync::Arc, thread::available_parallelism};

/// Buffers come in steps of tens of kilobytes, so that very small chunks need as much memory as these.
const LEAST_CHUNK: usize = 256 << 10;

/// Settings of a store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The directory that holds everything; made if it is not there.
    pub root: PathBuf,
    /// Chunk sizes.
    pub sizes: ChunkSizes,
    /// Threads that compress, shared by all imports; at least 1.
    pub threads: usize,
    /// The most bytes one intake keeps in buffers; at least eight times the largest chunk, and 2 MiB.
    pub memory: usize,
}

impl StoreConfig {
    /// The usual settings for a directory: 256 KiB / 1 MiB / 4 MiB chunks, a thread a core, 40 MiB an intake.
    pub fn local(root: impl Into<PathBuf>) -> StoreConfig {
        StoreConfig {
            root: root.into(),
            sizes: ChunkSizes::default(),
            threads: available_parallelism().map_or(1, usize::from),
            memory: 40 << 20,
        }
    }
}

/// Chunks, packs, recipes and uploads in one place. Cheap to clone; a process opens one.
///
/// Several processes may open the same directory: objects are immutable, and who may delete is for the database
/// to say.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    disk: Disk,
    sizes: ChunkSizes,
    memory: usize,
    threads: Threads,
    buffers: Buffers,
}

impl Store {
    /// Opens the store, making its directory if need be. Blocking, briefly.
    ///
    /// # Errors
    /// `store.setting` for settings that cannot work, `store.io` if the directory cannot be used.
    pub fn open(config: StoreConfig) -> Result<Store, Error> {
        config.sizes.check()?;
        let least = config.sizes.max.max(LEAST_CHUNK) * 8;
        if config.memory < least {
            return Err(Error::Setting(format!(
                "{} bytes of memory; at least {least} are needed",
                config.memory
            )));
        }
        let disk = Disk::open(&config.root)?;
        let threads = Threads::start(config.threads.max(1))?;
        let buffers = Buffers::default();
        Ok(Store(Arc::new(Inner { disk, sizes: config.sizes, memory: config.memory, threads, buffers })))
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.0.disk
    }

    /// How large chunks are: batches are to keep to it too.
    pub fn sizes(&self) -> ChunkSizes {
        self.0.sizes
    }

    pub(crate) fn memory(&self) -> usize {
        self.0.memory
    }

    pub(crate) fn threads(&self) -> &Threads {
        &self.0.threads
    }

    pub(crate) fn buffers(&self) -> &Buffers {
        &self.0.buffers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers are read on several blocking threads; streams go to connections on any thread.
    #[test]
    fn a_store_and_its_intakes_cross_threads() {
        fn moves<T: Send + 'static>() {}
        fn shared<T: Send + Sync + 'static>() {}
        shared::<crate::Intake>();
        moves::<crate::RunReader>();
        shared::<Store>();
    }
}
