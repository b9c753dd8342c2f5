//! From keys to places: asked for many at once, compressed if unknown.

use super::{
    Inner, Intake,
    budget::Buf,
    table::{Chunk, Place, Waiting},
};
use crate::{chunk::Located, error::Error};
use std::{
    mem,
    sync::{Arc, PoisonError},
    time::Duration,
};

/// Keys of large files asked for at once, at most: enough that a round trip to the index costs nothing beside them.
const KEYS: usize = 32;

/// The part of the memory, as a divisor, that may wait to be asked for: the threads that compress have the rest meanwhile.
const PART: usize = 8;

/// Keys of a plan asked for at once.
const MANY: usize = 1000;

/// How long a thread waits for memory before it looks whether chunks that nobody asked for yet are what it waits for.
const PATIENCE: Duration = Duration::from_millis(20);

impl Intake {
    /// Which of these chunks are there, in this import or in the store? Those of the store are held from now on.
    ///
    /// # Errors
    /// `store.index` when the index does not answer, `store.damaged` when it says what cannot be; the first failure of any
    /// thread.
    pub fn find(&self, digests: &[[u8; 32]]) -> Result<Vec<Option<Chunk>>, Error> {
        let inner = &self.0;
        // Nobody cuts while a plan is resolved.
        inner.windows.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // What large files left to be asked for: then it is known of every chunk whether the store has it.
        inner.flush()?;
        let mut unknown: Vec<[u8; 32]> = {
            let table = inner.table()?;
            digests.iter().filter(|digest| !table.seen.contains_key(*digest)).copied().collect()
        };
        unknown.sort_unstable();
        unknown.dedup();
        for some in unknown.chunks(MANY) {
            let found = inner.ask(some).map_err(|error| inner.fail(error))?;
            let mut table = inner.table()?;
            for (digest, located) in some.iter().zip(found) {
                let Some(located) = located else { continue };
                let (chunk, fresh) = table.enter(*digest, located.plain as usize)?;
                if fresh {
                    table.set(chunk, Place::Known(located));
                }
            }
        }
        let table = inner.table()?;
        Ok(digests.iter().map(|digest| table.seen.get(digest).copied()).collect())
    }
}

impl Inner {
    /// Where these chunks are, by the index.
    pub(super) fn ask(&self, digests: &[[u8; 32]]) -> Result<Vec<Option<Located>>, Error> {
        let keys: Vec<_> = digests.iter().map(|digest| self.key(*digest)).collect();
        let found = self.index.find(&keys).map_err(Error::Index)?;
        if found.len() != keys.len() {
            return Err(Error::Index(anyhow::anyhow!("{} answers to {} keys", found.len(), keys.len())));
        }
        found.iter().flatten().try_for_each(|located| self.check(located))?;
        Ok(found)
    }

    /// What the index says must be possible, before a buffer is made for it.
    fn check(&self, located: &Located) -> Result<(), Error> {
        let length = located.plain as usize;
        let possible =
            length <= self.store.sizes().max && located.length as usize <= self.codec.bound(length);
        let wrong =
            || Error::Damaged(format!("chunk {} has a length that its content cannot have", located.chunk));
        if possible { Ok(()) } else { Err(wrong()) }
    }

    /// A buffer for `size` plain bytes.
    pub(super) fn buffer(self: &Arc<Inner>, size: usize) -> Result<Buf, Error> {
        loop {
            match self.writing.one(size, PATIENCE) {
                Ok(Some(buf)) => return Ok(buf),
                // What waits to be asked for holds memory, and nobody else may be about to ask.
                Ok(None) => self.flush()?,
                Err(_) => return self.table().and(Err(Error::Stopped)),
            }
        }
    }

    /// A chunk of a large file: its digest, at once.
    pub(super) fn part(self: &Arc<Inner>, plain: &[u8]) -> Result<[u8; 32], Error> {
        let digest = *blake3::hash(plain).as_bytes();
        let (chunk, fresh) = self.table()?.enter(digest, plain.len())?;
        if !fresh {
            return Ok(digest);
        }
        let mut buf = self.buffer(plain.len()).map_err(|error| self.fail(error))?;
        buf.clear();
        buf.extend_from_slice(plain);
        self.await_key(Waiting { chunk, plain: buf }).map(|()| digest)
    }

    /// A chunk that was cut already and lies in a buffer of ours.
    pub(super) fn whole(self: &Arc<Inner>, plain: Buf) -> Result<[u8; 32], Error> {
        let digest = *blake3::hash(&plain).as_bytes();
        let (chunk, fresh) = self.table()?.enter(digest, plain.len())?;
        if fresh {
            self.await_key(Waiting { chunk, plain })?;
        }
        Ok(digest)
    }

    fn await_key(self: &Arc<Inner>, waiting: Waiting) -> Result<(), Error> {
        let mut table = self.table()?;
        table.waiting.push(waiting);
        let held: usize = table.waiting.iter().map(|waiting| waiting.plain.len()).sum();
        let enough = table.waiting.len() >= KEYS || held >= self.writing.limit() / PART;
        drop(table);
        if enough { self.flush() } else { Ok(()) }
    }

    /// Asks for what waits, and has compressed what is unknown.
    pub(super) fn flush(self: &Arc<Inner>) -> Result<(), Error> {
        let waiting = mem::take(&mut self.table()?.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let digests: Vec<[u8; 32]> = {
            let table = self.table()?;
            waiting.iter().map(|w| table.entry(w.chunk).map(|e| e.digest)).collect::<Result<_, _>>()?
        };
        let found = self.ask(&digests).map_err(|error| self.fail(error))?;
        for (Waiting { chunk, plain }, located) in waiting.into_iter().zip(found) {
            match located {
                Some(located) if located.plain as usize == plain.len() => {
                    self.table()?.set(chunk, Place::Known(located));
                    self.changed.notify_all();
                }
                Some(located) => {
                    let told = format!("chunk {} has not the length of its content", located.chunk);
                    return Err(self.fail(Error::Damaged(told)));
                }
                None => self.compress(chunk, plain),
            }
        }
        Ok(())
    }

    /// Compresses a chunk on one of the store's threads, and appends it to the pack.
    pub(super) fn compress(self: &Arc<Inner>, chunk: Chunk, plain: Buf) {
        let codec = self.codec;
        self.job(false, move |inner, engines| {
            let out = engines.compress(codec, &plain).map_err(Error::io("compress a chunk"))?;
            drop(plain);
            let length =
                u32::try_from(out.len()).map_err(|_| Error::Setting("a chunk above 4 GiB".into()))?;
            let sum = *blake3::hash(out).as_bytes();
            let pack = inner.pack()?;
            let offset = pack.append(out)?;
            if pack.is_due() {
                inner.flush_early(pack);
            }
            inner.table()?.set(chunk, Place::Written { offset, length, sum });
            Ok(())
        });
    }

    /// Sends what was appended to the disk, on a thread that does nothing else: those that compress go on.
    fn flush_early(self: &Arc<Inner>, pack: Arc<crate::pack::PackFile>) {
        let Ok(mut table) = self.table() else { return };
        table.running += 1;
        drop(table);
        let ended = Ended(Arc::clone(self));
        let thread = std::thread::Builder::new().name("store-flush".into());
        // Without a thread it is flushed at the end; a failure comes up again there.
        let _ = thread.spawn(move || {
            let _ = pack.flush_early();
            drop(pack);
            drop(ended);
        });
    }

    /// Runs a job on one of the store's threads, before others if it is to be `first`. Its failure ends the import.
    pub(super) fn job(
        self: &Arc<Inner>,
        first: bool,
        job: impl FnOnce(&Arc<Inner>, &mut crate::chunk::Engines) -> Result<(), Error> + Send + 'static,
    ) {
        let inner = Arc::clone(self);
        match inner.table() {
            Ok(mut table) => table.running += 1,
            Err(_) => return,
        }
        let ended = Ended(Arc::clone(&inner));
        self.store.threads().run(first, move |engines| {
            // Dropped last, also when a job is never run.
            let ended = ended;
            let given_up = inner.table().is_err();
            if !given_up && let Err(error) = job(&inner, engines) {
                let mut table = inner.table.lock().unwrap_or_else(PoisonError::into_inner);
                table.failure.get_or_insert(error);
                drop(table);
                inner.fail(Error::Stopped);
            }
            drop(ended);
        });
    }
}

/// Counts a job as ended when it is dropped.
struct Ended(Arc<Inner>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
        self.0.changed.notify_all();
    }
}
