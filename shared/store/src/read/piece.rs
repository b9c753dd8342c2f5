//! Runs taken apart into reads of one buffer each.

use super::buffers::{Buffers, SIZE};
use crate::{disk::Disk, pack::PackId, recipe::Run};
use bytes::Bytes;
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, OnceLock},
    vec,
};

/// The pieces of a list of runs, in order.
pub(crate) struct Pieces {
    disk: Disk,
    runs: vec::IntoIter<Run>,
    run: Option<Run>,
    pack: Option<(PackId, Arc<OpenPack>)>,
}

/// Opened by the first piece that reads from it, closed with the last: a recipe of hundreds of packs holds one
/// or two files open, and none is kept that would hold on to the disk space of a pack deleted meanwhile.
struct OpenPack {
    path: PathBuf,
    file: OnceLock<File>,
}

/// One read.
pub(crate) struct Piece {
    pack: Arc<OpenPack>,
    offset: u64,
    length: usize,
}

impl Pieces {
    pub(crate) fn new(disk: &Disk, runs: Vec<Run>) -> Pieces {
        Pieces { disk: disk.clone(), runs: runs.into_iter(), run: None, pack: None }
    }

    fn pack(&mut self, id: PackId) -> Arc<OpenPack> {
        match &self.pack {
            Some((open, pack)) if *open == id => Arc::clone(pack),
            _ => {
                let path = self.disk.path(&id.object());
                let pack = Arc::new(OpenPack { path, file: OnceLock::new() });
                self.pack = Some((id, Arc::clone(&pack)));
                pack
            }
        }
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let run = match self.run.take() {
            Some(run) => run,
            None => self.runs.find(|run| run.length > 0)?,
        };
        let length = run.length.min(SIZE as u64);
        if length < run.length {
            self.run = Some(Run { offset: run.offset + length, length: run.length - length, ..run });
        }
        Some(Piece { pack: self.pack(run.pack), offset: run.offset, length: length as usize })
    }
}

impl Piece {
    /// Blocking.
    pub(crate) fn read(&self, buffers: &Buffers) -> io::Result<Bytes> {
        let mut buffer = buffers.take(self.length);
        self.pack.file()?.read_exact_at(buffer.bytes_mut(), self.offset)?;
        Ok(buffer.freeze())
    }
}

impl OpenPack {
    /// Two pieces at once may both open it; one of the files is then closed again.
    fn file(&self) -> io::Result<&File> {
        match self.file.get() {
            Some(file) => Ok(file),
            None => {
                let file = File::open(&self.path)?;
                Ok(self.file.get_or_init(|| file))
            }
        }
    }
}
