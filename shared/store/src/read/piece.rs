//! Runs taken apart into reads of one buffer each.

use super::buffers::{Buffers, SIZE};
use crate::{
    disk::Disk,
    error::Error,
    pack::PackId,
    recipe::{self, Run},
};
use bytes::Bytes;
use std::{
    collections::HashMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, OnceLock},
    vec,
};

/// Packs that are all opened before the first byte. A pack that is rewritten or reclaimed while somebody reads slowly is then
/// read to its end all the same; of more packs than this the grace time of a reclaim has to be enough.
const OPEN: usize = 64;

/// The pieces of a list of runs, in order.
pub(crate) struct Pieces {
    disk: Disk,
    runs: vec::IntoIter<Run>,
    run: Option<Run>,
    pack: Option<(PackId, Arc<OpenPack>)>,
    /// Those that are open already.
    open: HashMap<PackId, Arc<OpenPack>>,
}

/// Opened by the first piece that reads from it if not before, closed with the last.
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
    /// Opens the packs of these runs, each of which must be as long as they need.
    pub(crate) fn open(disk: &Disk, runs: Vec<Run>) -> Result<Pieces, Error> {
        let mut ends: HashMap<PackId, u64> = HashMap::new();
        for run in &runs {
            let end = run.offset.checked_add(run.length).ok_or_else(|| recipe::beyond(run))?;
            ends.entry(run.pack).and_modify(|most| *most = end.max(*most)).or_insert(end);
        }
        let few = ends.len() <= OPEN;
        let mut open = HashMap::new();
        for (pack, end) in ends {
            let (file, size) = disk.open_pack(pack)?;
            if end > size {
                return Err(recipe::too_short(pack));
            }
            if few {
                let path = disk.path(&pack.object());
                open.insert(pack, Arc::new(OpenPack { path, file: OnceLock::from(file) }));
            }
        }
        Ok(Pieces { disk: disk.clone(), runs: runs.into_iter(), run: None, pack: None, open })
    }

    fn pack(&mut self, id: PackId) -> Arc<OpenPack> {
        match &self.pack {
            Some((open, pack)) if *open == id => Arc::clone(pack),
            _ => {
                let path = self.disk.path(&id.object());
                let pack = match self.open.get(&id) {
                    Some(pack) => Arc::clone(pack),
                    None => Arc::new(OpenPack { path, file: OnceLock::new() }),
                };
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
