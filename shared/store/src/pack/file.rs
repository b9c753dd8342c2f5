//! A pack being written: visible under its name only when every byte is on disk.

use super::PackId;
use crate::{
    disk::{Disk, PART},
    error::Error,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::FileExt,
    path::PathBuf,
};

/// The unfinished file is removed when this is dropped.
pub(crate) struct PackFile {
    disk: Disk,
    name: String,
    part: PathBuf,
    file: File,
    length: u64,
    published: bool,
}

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
        Ok(PackFile { disk: disk.clone(), name, part, file, length: 0, published: false })
    }

    /// Appends a chunk; returns where it begins.
    pub(crate) fn append(&mut self, chunk: &[u8]) -> Result<u64, Error> {
        let offset = self.length;
        self.file.write_all(chunk).map_err(Error::io("write a pack"))?;
        self.length += chunk.len() as u64;
        Ok(offset)
    }

    /// Reads back what was appended.
    pub(crate) fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), Error> {
        self.file.read_exact_at(bytes, offset).map_err(Error::io("read a pack back"))
    }

    /// Flushes the bytes, gives the file its name, flushes the directory; returns the size.
    pub(crate) fn publish(mut self) -> Result<u64, Error> {
        let io = Error::io("finish a pack");
        self.file.sync_all().map_err(&io)?;
        fs::rename(&self.part, self.disk.path(&self.name)).map_err(&io)?;
        self.published = true;
        self.disk.sync_above(&self.name).map_err(&io)?;
        Ok(self.length)
    }
}

impl Drop for PackFile {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = fs::remove_file(&self.part)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, pack.name = self.name, "an unfinished pack is left for the sweep");
        }
    }
}
