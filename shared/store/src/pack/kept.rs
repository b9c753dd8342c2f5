//! Chunks as they are kept: whether they are still what was written, and moving them to another pack.

use super::{PackFile, PackId};
use crate::{Error, Store};

/// A chunk in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The pack.
    pub pack: PackId,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Compressed length in bytes.
    pub length: u32,
    /// BLAKE3 of its compressed bytes; of one without it only the length can be checked.
    pub sum: Option<[u8; 32]>,
}

/// A pack made of chunks of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Its size in bytes.
    pub size: u64,
    /// Where each chunk begins in it; `None` for one that is damaged, and was left where it is.
    pub places: Vec<Option<u64>>,
}

impl Store {
    /// Reads a chunk's compressed bytes: are they what was written? Blocking.
    ///
    /// # Errors
    /// `store.io` when they cannot be read for another reason than that they are not there.
    pub fn is_sound(&self, chunk: &Kept, buffer: &mut Vec<u8>) -> Result<bool, Error> {
        match self.disk().read_span(chunk.pack, chunk.offset, chunk.length, buffer) {
            Ok(()) => Ok(chunk.sum.is_none_or(|sum| *blake3::hash(buffer).as_bytes() == sum)),
            Err(Error::Damaged(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Copies chunks into a new pack, back to back, byte for byte. Durable when it returns. Blocking.
    ///
    /// # Errors
    /// `store.io`, `store.full`; nothing is left then.
    pub fn copy_chunks(&self, into: PackId, chunks: &[Kept]) -> Result<Copied, Error> {
        let pack = PackFile::create(self.disk(), into)?;
        let mut buffer = Vec::new();
        let mut places = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            places.push(if self.is_sound(chunk, &mut buffer)? { Some(pack.append(&buffer)?) } else { None });
            if pack.is_due() {
                pack.flush_early()?;
            }
        }
        Ok(Copied { size: pack.publish()?, places })
    }
}
