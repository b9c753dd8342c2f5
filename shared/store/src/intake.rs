//! The new chunks of one import, from any number of threads: asked for, compressed, appended to one pack.
//!
//! ```text
//! large files, as they are read ─► cut ─► key ─┐                         ┌─► known: held, nothing is done
//! batches, once all is known ───────────► key ─┴─► index (many at once) ─┴─► threads: compress ─► pack
//!
//! assemble: chunks in the order of the blob ─► threads: read back, decompress, prove ─► both digests
//! ```
//!
//! Chunks lie in the pack in the order in which they were ready. What a blob's digests are computed from is read back from
//! the pack: the same pass is the proof that the stored bytes are what was meant.

mod asking;
mod assemble;
mod budget;
mod hashes;
mod large;
mod table;

pub use assemble::{Assembled, Large, Part, Prove, Proved};
pub use hashes::Checkpoint;
pub use table::{Chunk, ChunkUse, NewChunk, Written, WrittenPack};

use crate::{
    Store,
    chunk::{ChunkIndex, ChunkKey, Codec},
    error::Error,
    pack::{PackFile, PackId},
};
use budget::Budget;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use table::{Chunks, Table};

/// Parts of a writer's memory: what is kept for reading back while the rest is compressed. Two chunks of the largest size
/// fit, each with its compressed form.
const READ_BACK: usize = 4;

/// Takes in what an import stores. Shared by its threads; a failure of any of them comes out of the next call of each.
/// Dropping it removes what it wrote.
pub struct Intake(Arc<Inner>);

struct Inner {
    store: Store,
    codec: Codec,
    id: PackId,
    index: Arc<dyn ChunkIndex>,
    /// Chunks on their way into the pack.
    writing: Budget,
    /// Chunks read back.
    reading: Budget,
    /// Of threads that cut large files, for the next file.
    windows: Mutex<Vec<Vec<u8>>>,
    pack: Mutex<Option<Arc<PackFile>>>,
    table: Mutex<Table>,
    changed: Condvar,
}

impl Store {
    /// Begins to take in an import. `pack` names the pack its new chunks will go to; none is made if all are known.
    ///
    /// # Errors
    /// `store.setting` for a level the codec does not have.
    pub fn intake(&self, pack: PackId, codec: Codec, index: Arc<dyn ChunkIndex>) -> Result<Intake, Error> {
        if !codec.is_valid() {
            return Err(Error::Setting(format!("{codec} is not a level that codec has")));
        }
        let reading = self.memory() / READ_BACK;
        Ok(Intake(Arc::new(Inner {
            store: self.clone(),
            codec,
            id: pack,
            index,
            writing: Budget::new(self.memory() - reading),
            reading: Budget::new(reading),
            windows: Mutex::default(),
            pack: Mutex::default(),
            table: Mutex::default(),
            changed: Condvar::new(),
        })))
    }
}

impl Intake {
    /// A number for a chunk that the index was asked for and does not know, and whether this import lacks it too: then the
    /// caller writes it.
    ///
    /// # Errors
    /// The first failure of any thread.
    pub fn enter(&self, digest: [u8; 32], size: usize) -> Result<(Chunk, bool), Error> {
        self.0.table()?.enter(digest, size)
    }

    /// Stores a chunk that was entered. `fill` writes its plain bytes, exactly as many as were said. Waits while the memory
    /// is spent.
    ///
    /// # Errors
    /// `store.content` with the cause when `fill` fails or writes another size; the first failure of any thread.
    pub fn write(
        &self,
        chunk: Chunk,
        fill: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        let inner = &self.0;
        let size = inner.table()?.entry(chunk)?.plain as usize;
        let filled = inner.buffer(size).and_then(|mut plain| {
            plain.clear();
            fill(&mut plain).map_err(Error::Content)?;
            if plain.len() == size {
                return Ok(plain);
            }
            Err(Error::Content(std::io::Error::other("a chunk has another size than was said")))
        });
        let plain = filled.map_err(|error| inner.fail(error))?;
        inner.compress(chunk, plain);
        Ok(())
    }

    /// The plain bytes of a chunk that the index knew.
    ///
    /// # Errors
    /// `store.damaged` when they cannot be had; the first failure of any thread.
    pub fn plain(&self, chunk: Chunk) -> Result<Vec<u8>, Error> {
        let table::Place::Known(located) = self.0.table()?.entry(chunk)?.place else {
            return Err(Error::Stopped);
        };
        let (mut packed, mut plain) = (Vec::new(), Vec::new());
        self.0.store.disk().read_chunk(&located, &mut packed)?;
        let mut engines = crate::chunk::Engines::default();
        let read = engines.decompress(self.0.codec, &packed, located.plain as usize, &mut plain);
        let told = |e| Error::Damaged(format!("chunk {} cannot be decompressed: {e}", located.chunk));
        read.map_err(told).map(|()| plain)
    }

    /// The id of a chunk that the index knew.
    ///
    /// # Errors
    /// The first failure of any thread.
    pub fn known(&self, chunk: Chunk) -> Result<Option<i64>, Error> {
        Ok(match self.0.table()?.entry(chunk)?.place {
            table::Place::Known(located) => Some(located.chunk),
            _ => None,
        })
    }

    /// Gives the import up: every call of every thread fails from now on.
    pub fn stop(&self) {
        self.0.fail(Error::Stopped);
    }

    /// Waits until every chunk is written and the pack durable.
    ///
    /// # Errors
    /// The first failure of any thread. Nothing is left in the store then.
    pub fn finish(&self) -> Result<Written, Error> {
        let inner = &self.0;
        inner.flush()?;
        let mut table = inner.table()?;
        while table.running > 0 {
            table = inner.wait(table)?;
        }
        let Chunks { new, proofs, uses } = table.take(inner.codec);
        drop(table);
        let pack = inner.pack.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let size = pack.map(|pack| pack.publish()).transpose()?;
        Ok(Written {
            codec: inner.codec,
            new,
            proofs,
            pack: size.map(|size| WrittenPack { id: inner.id, size }),
            bytes_new: size.unwrap_or(0),
            peak_bytes: inner.writing.peak() + inner.reading.peak(),
            uses,
        })
    }
}

impl Inner {
    /// # Errors
    /// `store.stopped` when some thread failed: that thread has returned why.
    fn table(&self) -> Result<MutexGuard<'_, Table>, Error> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.check()?;
        Ok(table)
    }

    fn wait<'a>(&self, table: MutexGuard<'a, Table>) -> Result<MutexGuard<'a, Table>, Error> {
        let table = self.changed.wait(table).unwrap_or_else(PoisonError::into_inner);
        table.check()?;
        Ok(table)
    }

    /// Ends the import for every thread; the error itself is for the caller to return.
    fn fail(&self, error: Error) -> Error {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).failed = true;
        self.changed.notify_all();
        self.writing.close();
        self.reading.close();
        error
    }

    fn pack(&self) -> Result<Arc<PackFile>, Error> {
        let mut pack = self.pack.lock().unwrap_or_else(PoisonError::into_inner);
        match &*pack {
            Some(pack) => Ok(Arc::clone(pack)),
            None => Ok(Arc::clone(pack.insert(Arc::new(PackFile::create(self.store.disk(), self.id)?)))),
        }
    }

    fn key(&self, digest: [u8; 32]) -> ChunkKey {
        ChunkKey { digest, codec: self.codec }
    }
}

impl Drop for Intake {
    /// Nothing of an import that was given up is left when this returns.
    fn drop(&mut self) {
        let inner = &self.0;
        let mut table = inner.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.failed = true;
        table.waiting.clear();
        inner.writing.close();
        inner.reading.close();
        while table.running > 0 {
            table = inner.changed.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        drop(table);
        inner.pack.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
