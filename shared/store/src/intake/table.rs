//! What an intake knows of its chunks, and what it hands on at the end.

use super::budget::Buf;
use crate::{
    chunk::{ChunkKey, Codec, Located},
    error::Error,
    pack::PackId,
};
use std::collections::HashMap;

/// A chunk of an import, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chunk(pub(super) u32);

/// Where a chunk is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The index was not asked yet, or the chunk is being compressed.
    Coming,
    /// In the import's own pack.
    Written { offset: u64, length: u32, sum: [u8; 32] },
    /// In a pack of earlier.
    Known(Located),
}

pub(super) struct Entry {
    pub(super) digest: [u8; 32],
    pub(super) plain: u32,
    pub(super) place: Place,
    /// Found by reading it back in this import.
    pub(super) proof: Option<Vec<u8>>,
}

/// A chunk whose key is not asked for yet.
pub(super) struct Waiting {
    pub(super) chunk: Chunk,
    pub(super) plain: Buf,
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) chunks: Vec<Entry>,
    pub(super) seen: HashMap<[u8; 32], Chunk>,
    pub(super) waiting: Vec<Waiting>,
    /// Jobs that were not ended.
    pub(super) running: usize,
    pub(super) failed: bool,
    pub(super) failure: Option<Error>,
}

impl Table {
    pub(super) fn check(&self) -> Result<(), Error> {
        match (&self.failure, self.failed) {
            (Some(error), _) => Err(error.again()),
            (None, true) => Err(Error::Stopped),
            (None, false) => Ok(()),
        }
    }

    /// The number of a chunk, and whether it is new here: then it is the caller's to bring in.
    pub(super) fn enter(&mut self, digest: [u8; 32], plain: usize) -> Result<(Chunk, bool), Error> {
        if let Some(chunk) = self.seen.get(&digest) {
            return Ok((*chunk, false));
        }
        let many = || Error::Setting("more chunks than can be counted".into());
        let chunk = Chunk(u32::try_from(self.chunks.len()).map_err(|_| many())?);
        let plain = u32::try_from(plain).map_err(|_| many())?;
        self.chunks.push(Entry { digest, plain, place: Place::Coming, proof: None });
        self.seen.insert(digest, chunk);
        Ok((chunk, true))
    }

    pub(super) fn entry(&self, chunk: Chunk) -> Result<&Entry, Error> {
        self.chunks.get(chunk.0 as usize).ok_or(Error::Stopped)
    }

    pub(super) fn set(&mut self, chunk: Chunk, place: Place) {
        if let Some(entry) = self.chunks.get_mut(chunk.0 as usize) {
            entry.place = place;
        }
    }

    pub(super) fn prove(&mut self, chunk: Chunk, proof: Vec<u8>) {
        if let Some(entry) = self.chunks.get_mut(chunk.0 as usize) {
            entry.proof = Some(proof);
        }
    }

    /// What was written, in the order of the pack, and what each number stands for.
    pub(super) fn take(&mut self, codec: Codec) -> Chunks {
        let mut new: Vec<(usize, NewChunk)> = Vec::new();
        for (number, entry) in self.chunks.iter_mut().enumerate() {
            if let Place::Written { offset, length, sum } = entry.place {
                let key = ChunkKey { digest: entry.digest, codec };
                let proof = entry.proof.take();
                new.push((number, NewChunk { key, offset, length, plain: entry.plain, sum, proof }));
            }
        }
        new.sort_unstable_by_key(|(_, chunk)| chunk.offset);
        let place: HashMap<usize, usize> =
            new.iter().enumerate().map(|(place, (number, _))| (*number, place)).collect();
        let mut proofs = Vec::new();
        let mut uses = Vec::with_capacity(self.chunks.len());
        for (number, entry) in self.chunks.iter_mut().enumerate() {
            uses.push(match entry.place {
                Place::Known(located) => {
                    proofs.extend(entry.proof.take().map(|proof| (located.chunk, proof)));
                    Some(ChunkUse::Known(located.chunk))
                }
                _ => place.get(&number).map(|place| ChunkUse::New(*place)),
            });
        }
        Chunks { new: new.into_iter().map(|(_, chunk)| chunk).collect(), proofs, uses }
    }
}

pub(super) struct Chunks {
    pub(super) new: Vec<NewChunk>,
    pub(super) proofs: Vec<(i64, Vec<u8>)>,
    pub(super) uses: Vec<Option<ChunkUse>>,
}

/// What an import took in, all of it durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// How the chunks are compressed.
    pub codec: Codec,
    /// The chunks to add to the index, in pack order.
    pub new: Vec<NewChunk>,
    /// Proofs of chunks that were known and had none, by their ids.
    pub proofs: Vec<(i64, Vec<u8>)>,
    /// The pack the new ones are in; `None` if there are none.
    pub pack: Option<WrittenPack>,
    /// Compressed bytes added to the store: the size of the pack.
    pub bytes_new: u64,
    /// The most bytes that were held in buffers at once.
    pub peak_bytes: usize,
    pub(super) uses: Vec<Option<ChunkUse>>,
}

impl Written {
    /// What a number of the intake stands for in a recipe.
    pub fn use_of(&self, chunk: Chunk) -> Option<ChunkUse> {
        self.uses.get(chunk.0 as usize).copied().flatten()
    }
}

/// One place of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkUse {
    /// A chunk the index knew, by its id.
    Known(i64),
    /// The chunk of this position in `Written::new`.
    New(usize),
}

/// A chunk the index did not know when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChunk {
    /// Its key.
    pub key: ChunkKey,
    /// Where it begins in the pack, in bytes.
    pub offset: u64,
    /// Compressed length in bytes.
    pub length: u32,
    /// Plain length in bytes.
    pub plain: u32,
    /// BLAKE3 of its compressed bytes.
    pub sum: [u8; 32],
    /// What reading it back found, if it was one to prove.
    pub proof: Option<Vec<u8>>,
}

/// The pack of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenPack {
    /// The id the caller gave.
    pub id: PackId,
    /// Its size in bytes.
    pub size: u64,
}
