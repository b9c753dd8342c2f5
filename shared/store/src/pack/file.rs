//! A pack being written: visible under its name only when every byte is on disk.

use super::PackId;
use crate::{
    disk::{Disk, PART},
    error::Error,
};
use std::{
    fs::{self, File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

/// The unfinished file is removed when this is dropped.
pub(crate) struct PackFile {
    disk: Disk,
    name: String,
    part: PathBuf,
    file: File,
    length: AtomicU64,
    /// Bytes that were told to go to the disk early.
    flushed: AtomicU64,
    published: AtomicBool,
}

/// So many bytes are sent to the disk at once while the import goes on: at its end little is left to wait for.
const FLUSH: u64 = 32 << 20;

impl PackFile {
    /// # Errors
    /// `store.io` if there is a pack of this id already, finished or not: packs are written once.
    pub(crate) fn create(disk: &Disk, id: PackId) -> Result<PackFile, Error> {
        let name = id.object();
        let io = Error::io("create a pack");
        disk.make_parent(&name).map_err(&io)?;
        if disk.path(&name).exists() {
            return Err(io(ErrorKind::AlreadyExists.into()));
        }
        let part = disk.path(&format!("{name}{PART}"));
        // Readable too: a chunk met again in the same import is read back from here.
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&part).map_err(io)?;
        let (length, flushed) = (AtomicU64::new(0), AtomicU64::new(0));
        let published = AtomicBool::new(false);
        Ok(PackFile { disk: disk.clone(), name, part, file, length, flushed, published })
    }

    /// Appends a chunk; returns where it begins. From any number of threads.
    pub(crate) fn append(&self, chunk: &[u8]) -> Result<u64, Error> {
        let offset = self.length.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(chunk, offset).map_err(Error::io("write a pack"))?;
        Ok(offset)
    }

    /// Reads back what was appended.
    pub(crate) fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), Error> {
        self.file.read_exact_at(bytes, offset).map_err(Error::io("read a pack back"))
    }

    /// Whether so much was appended that it is time to flush it; whoever is told so does.
    pub(crate) fn is_due(&self) -> bool {
        let (length, flushed) = (self.length.load(Ordering::Relaxed), self.flushed.load(Ordering::Relaxed));
        length >= flushed + FLUSH
            && self.flushed.compare_exchange(flushed, length, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Flushes what was appended so far. Blocking, while others go on appending.
    pub(crate) fn flush_early(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::io("flush a pack"))
    }

    /// Flushes the bytes, gives the file its name, flushes the directory; returns the size.
    pub(crate) fn publish(&self) -> Result<u64, Error> {
        let io = Error::io("finish a pack");
        self.file.sync_all().map_err(&io)?;
        fs::rename(&self.part, self.disk.path(&self.name)).map_err(&io)?;
        self.published.store(true, Ordering::Relaxed);
        self.disk.sync_above(&self.name).map_err(&io)?;
        Ok(self.length.load(Ordering::Relaxed))
    }
}

impl Drop for PackFile {
    fn drop(&mut self) {
        if !self.published.load(Ordering::Relaxed)
            && let Err(error) = fs::remove_file(&self.part)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, pack.name = self.name, "an unfinished pack is left for the sweep");
        }
    }
}
