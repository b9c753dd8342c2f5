//! A blob from its chunks, in order: read back, decompressed, proved, hashed.
//!
//! Nothing that was written is trusted: the digests are those of the bytes in the packs, and so are the proofs.

use super::{
    Chunk, Inner, Intake,
    budget::Buf,
    hashes::{Checkpoint, Hashes},
    table::Place,
};
use crate::{chunk::Located, error::Error};
use std::{
    collections::VecDeque,
    sync::{Arc, mpsc},
};

/// Chunks read back ahead of the one that is hashed.
const AHEAD: usize = 8;

/// One chunk of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The chunk.
    pub chunk: Chunk,
    /// Its place in a large file; `None` for a batch.
    pub large: Option<Large>,
    /// Whether the states of the hashes after it are wanted.
    pub mark: bool,
}

/// A chunk's place in a large file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Large {
    /// BLAKE3 of the file's content.
    pub digest: [u8; 32],
    /// Bytes of the content.
    pub size: u64,
    /// Its first chunk, its last one.
    pub ends: (bool, bool),
    /// Whether that these chunks are this content was proved before.
    pub proven: bool,
}

/// What proving a batch found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The key that these bytes have.
    pub digest: [u8; 32],
    /// What is kept about them.
    pub proof: Vec<u8>,
}

/// Reads a batch's plain bytes, as they are stored, and tells what they are.
pub type Prove = dyn Fn(&[u8]) -> anyhow::Result<Proved> + Send + Sync;

/// A blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// SHA-256 of the blob.
    pub digest: [u8; 32],
    /// SHA-256 of the plain tar: the layer's identity on any machine.
    pub diff_id: [u8; 32],
    /// Bytes of the blob.
    pub size: u64,
    /// Bytes of the plain tar.
    pub plain: u64,
    /// The states that were asked for.
    pub marks: Vec<Checkpoint>,
}

impl Intake {
    /// Hashes the blob that `parts` make, from a checkpoint on: its chunks are not read. Waits for chunks that are on their way.
    /// `prove` is asked about every batch that has no proof; a large file that was not proven is hashed whole.
    ///
    /// # Errors
    /// `store.damaged` when what is read back is not what was meant; the first failure of any thread.
    pub fn assemble(
        &self,
        parts: &[Part],
        from: Option<&Checkpoint>,
        prove: &Arc<Prove>,
    ) -> Result<Assembled, Error> {
        let inner = &self.0;
        let mut line = Line { inner, prove, ahead: VecDeque::new() };
        let mut hashes = from.map(Hashes::resume).transpose()?.unwrap_or_default();
        let begun = from.map_or(0, |from| from.chunks);
        let mut waiting = parts.get(begun..).unwrap_or_default().iter();
        let mut marks = Vec::new();
        let mut content = blake3::Hasher::new();
        for (at, part) in parts.iter().enumerate().skip(begun) {
            while line.ahead.len() < AHEAD && line.send(&mut waiting)? {}
            let Fetched { packed, plain } = line.next()?;
            hashes.add(&packed, &plain);
            drop(packed);
            if let Some(large) = part.large.filter(|large| !large.proven) {
                self.prove_content(&mut content, &large, &plain)?;
            }
            if part.mark {
                marks.push(hashes.checkpoint(at + 1));
            }
        }
        let (size, plain) = (hashes.size, hashes.plain);
        let (digest, diff_id) = hashes.finish();
        Ok(Assembled { digest, diff_id, size, plain, marks })
    }

    fn prove_content(&self, hash: &mut blake3::Hasher, large: &Large, plain: &[u8]) -> Result<(), Error> {
        let (first, last) = large.ends;
        if first {
            hash.reset();
        }
        // The zeros at the end are the tar's, not the file's.
        let rest = large.size.saturating_sub(hash.count());
        let own = plain.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        let (own, padding) = plain.split_at_checked(own).unwrap_or((plain, &[]));
        hash.update(own);
        let whole = !last || (*hash.finalize().as_bytes() == large.digest && hash.count() == large.size);
        if whole && padding.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(self.0.fail(Error::Damaged("a large file is stored as something else".into())))
    }
}

struct Fetched {
    packed: Buf,
    plain: Buf,
}

type Answer = mpsc::Receiver<Result<Fetched, Error>>;

/// The chunks that are being read back, in order.
struct Line<'a> {
    inner: &'a Arc<Inner>,
    prove: &'a Arc<Prove>,
    ahead: VecDeque<Answer>,
}

impl Line<'_> {
    /// Sends the next chunk on its way; false when it has to wait for another, or there is none.
    fn send<'p>(&mut self, waiting: &mut (impl Iterator<Item = &'p Part> + Clone)) -> Result<bool, Error> {
        let Some(part) = waiting.clone().next() else { return Ok(false) };
        // Whoever has nothing in hand may wait; otherwise what is in hand comes first.
        let alone = self.ahead.is_empty();
        let Some(place) = self.place(part.chunk, alone)? else { return Ok(false) };
        let sizes = (place.length as usize, place.plain as usize);
        let bufs = self.inner.reading.try_pair(sizes).map_err(|_| Error::Stopped);
        let Some((packed, plain)) = bufs.or_else(|stopped| self.inner.table().and(Err(stopped)))? else {
            return Ok(false);
        };
        waiting.next();
        let prove = (part.large.is_none() && !place.proven).then(|| Arc::clone(self.prove));
        // The content that a part belongs to is hashed whole unless it was before: that finds every byte gone bad.
        let check = part.large.is_some_and(|large| large.proven) && place.known.is_none();
        let (tell, answer) = mpsc::sync_channel(1);
        let chunk = part.chunk;
        self.inner.job(true, move |inner, engines| {
            let fetch = || {
                let mut fetched = Fetched { packed, plain };
                place.read(inner, engines, &mut fetched)?;
                if let Some(prove) = &prove {
                    let proved = prove(&fetched.plain).map_err(|error| {
                        Error::Damaged(format!("a batch that was just written cannot be read: {error:#}"))
                    })?;
                    place.same(&proved.digest)?;
                    inner.table()?.prove(chunk, proved.proof);
                } else if check {
                    place.same(blake3::hash(&fetched.plain).as_bytes())?;
                }
                Ok(fetched)
            };
            let fetched = fetch();
            let failed = fetched.as_ref().err().map(Error::again);
            // Nobody waits any more if the import was given up.
            let _ = tell.send(fetched);
            failed.map_or(Ok(()), Err)
        });
        self.ahead.push_back(answer);
        Ok(true)
    }

    /// Where a chunk is, once it is there.
    fn place(&self, chunk: Chunk, wait: bool) -> Result<Option<Stored>, Error> {
        let mut asked = false;
        let mut table = self.inner.table()?;
        loop {
            let entry = table.entry(chunk)?;
            let (digest, plain) = (entry.digest, entry.plain);
            match entry.place {
                Place::Written { offset, length, .. } => {
                    let proven = entry.proof.is_some();
                    return Ok(Some(Stored { digest, offset, length, plain, proven, known: None }));
                }
                Place::Known(located) => {
                    let Located { offset, length, .. } = located;
                    let proven = located.proven || entry.proof.is_some();
                    return Ok(Some(Stored { digest, offset, length, plain, proven, known: Some(located) }));
                }
                Place::Coming if !wait => return Ok(None),
                Place::Coming if !asked => {
                    drop(table);
                    self.inner.flush()?;
                    asked = true;
                    table = self.inner.table()?;
                }
                Place::Coming => table = self.inner.wait(table)?,
            }
        }
    }

    fn next(&mut self) -> Result<Fetched, Error> {
        let answer = self.ahead.pop_front().ok_or(Error::Stopped)?;
        // A job that went away without an answer was never run: somebody else failed.
        answer.recv().unwrap_or_else(|_| Err(self.inner.table().err().unwrap_or(Error::Stopped)))
    }
}

/// A chunk whose bytes are in a pack.
struct Stored {
    digest: [u8; 32],
    offset: u64,
    length: u32,
    plain: u32,
    proven: bool,
    /// In a pack of earlier.
    known: Option<Located>,
}

impl Stored {
    fn read(
        &self,
        inner: &Inner,
        engines: &mut crate::chunk::Engines,
        into: &mut Fetched,
    ) -> Result<(), Error> {
        match &self.known {
            Some(located) => inner.store.disk().read_chunk(located, &mut into.packed)?,
            None => {
                into.packed.resize(self.length as usize, 0);
                inner.pack()?.read_exact_at(&mut into.packed, self.offset)?;
            }
        }
        let plain = self.plain as usize;
        engines.decompress(inner.codec, &into.packed, plain, &mut into.plain).map_err(|error| {
            Error::Damaged(format!("a chunk of {} bytes cannot be decompressed: {error}", self.length))
        })
    }

    fn same(&self, found: &[u8; 32]) -> Result<(), Error> {
        let told = || Error::Damaged("a chunk that was just written reads back as something else".into());
        if *found == self.digest { Ok(()) } else { Err(told()) }
    }
}
