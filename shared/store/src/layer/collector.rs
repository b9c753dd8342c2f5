//! The last thread of the pipeline: takes the chunks in order, hashes the blob, fills the pack.

use super::{budget::Buf, written::WrittenPack};
use crate::{
    disk::Disk,
    error::Error,
    pack::{PackFile, PackId},
};
use sha2::{Digest, Sha256};
use std::sync::mpsc::Receiver;

/// A chunk's compressed bytes, when a thread has them.
pub(crate) type Answer = Receiver<Result<Buf, Error>>;

/// One place of the blob, in order.
pub(crate) enum Slot {
    /// Compressed now; goes to the pack.
    New(Answer),
    /// Read from a pack of earlier; only hashed.
    Known(Answer),
    /// The new chunk of this position once more.
    Again(usize),
    /// The blob ends here, and another may begin.
    End,
    /// That was all: publish. A channel that closes without this was abandoned.
    Finish,
}

/// The blobs as they came out.
pub(crate) struct Collected {
    /// Digest and size of each.
    pub(crate) blobs: Vec<([u8; 32], u64)>,
    /// Offset and compressed length of each new chunk.
    pub(crate) places: Vec<(u64, u32)>,
    pub(crate) pack: Option<WrittenPack>,
}

/// Runs until the end or the first failure; an unfinished pack is removed on the way out.
pub(crate) fn collect(disk: &Disk, id: PackId, slots: &Receiver<Slot>) -> Result<Collected, Error> {
    let mut blob = Blob::default();
    let mut blobs = Vec::new();
    let mut places = Vec::new();
    let mut pack: Option<PackFile> = None;
    let mut again = Vec::new();
    loop {
        match slots.recv().map_err(|_| Error::Stopped)? {
            Slot::New(answer) => {
                let chunk = wait(&answer)?;
                let pack = match &mut pack {
                    Some(pack) => pack,
                    None => pack.insert(PackFile::create(disk, id)?),
                };
                places.push((pack.append(&chunk)?, length(chunk.len())?));
                blob.add(&chunk);
            }
            Slot::Known(answer) => blob.add(&wait(&answer)?),
            Slot::Again(at) => {
                let (Some(pack), Some((offset, length))) = (&pack, places.get(at)) else {
                    return Err(Error::Stopped);
                };
                again.resize(*length as usize, 0);
                pack.read_exact_at(&mut again, *offset)?;
                blob.add(&again);
            }
            Slot::End => {
                let Blob { hash, size } = std::mem::take(&mut blob);
                blobs.push((hash.finalize().into(), size));
            }
            Slot::Finish => break,
        }
    }
    let pack = match pack {
        Some(pack) => Some(WrittenPack { id, size: pack.publish()? }),
        None => None,
    };
    Ok(Collected { blobs, places, pack })
}

/// A thread that went away without an answer means that its store is closing.
fn wait(answer: &Answer) -> Result<Buf, Error> {
    answer.recv().map_err(|_| Error::Stopped)?
}

fn length(bytes: usize) -> Result<u32, Error> {
    u32::try_from(bytes).map_err(|_| Error::Setting("a chunk of more than 4 GiB".into()))
}

#[derive(Default)]
struct Blob {
    hash: Sha256,
    size: u64,
}

impl Blob {
    fn add(&mut self, chunk: &[u8]) {
        self.hash.update(chunk);
        self.size += chunk.len() as u64;
    }
}
