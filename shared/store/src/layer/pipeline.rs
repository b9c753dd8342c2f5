//! From cut chunks to the collector: which are known, which are compressed, all in order.
//!
//! ```text
//! caller: cut, key ──► index (a batch of keys) ──► threads: compress, or read a known chunk ──► collector
//! ```

use super::{
    budget::{Budget, Buf},
    collector::{Answer, Collected, Slot, collect},
    written::ChunkUse,
};
use crate::{
    Store,
    chunk::{ChunkIndex, ChunkKey, Codec, Compressors, Located},
    error::Error,
    pack::PackId,
};
use std::{
    collections::HashMap,
    mem,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

/// Keys asked for at once, at most: enough that a round trip to the index costs nothing beside 32 chunks.
const KEYS: usize = 32;

pub(crate) struct Pipeline {
    store: Store,
    codec: Codec,
    index: Arc<dyn ChunkIndex>,
    pub(crate) budget: Budget,
    seen: HashMap<ChunkKey, Place>,
    pending: Vec<Pending>,
    uses: Vec<ChunkUse>,
    /// Key and plain length of each new chunk.
    pub(crate) new: Vec<(ChunkKey, u32)>,
    slots: Option<mpsc::Sender<Slot>>,
    collector: Option<JoinHandle<Result<Collected, Error>>>,
}

/// Where a chunk met in this layer is.
#[derive(Clone, Copy)]
enum Place {
    Known(Located),
    New(usize),
}

/// A chunk whose key is not asked for yet; without its bytes if it was met before.
struct Pending {
    key: ChunkKey,
    plain: Option<Buf>,
}

impl Pipeline {
    /// `budget` is what may be in flight; see `flush` for how little it may be.
    pub(crate) fn start(
        store: &Store,
        pack: PackId,
        codec: Codec,
        index: Arc<dyn ChunkIndex>,
        budget: usize,
    ) -> Result<Pipeline, Error> {
        let (slots, queue) = mpsc::channel();
        let disk = store.disk().clone();
        let collector = thread::Builder::new()
            .name("store-collect".into())
            .spawn(move || collect(&disk, pack, &queue))
            .map_err(Error::io("start a thread"))?;
        Ok(Pipeline {
            store: store.clone(),
            codec,
            index,
            budget: Budget::new(budget),
            seen: HashMap::new(),
            pending: Vec::new(),
            uses: Vec::new(),
            new: Vec::new(),
            slots: Some(slots),
            collector: Some(collector),
        })
    }

    /// Takes the next chunk. Waits while the budget is spent.
    pub(crate) fn add(&mut self, plain: &[u8]) -> Result<(), Error> {
        let key = ChunkKey::of(plain, self.codec);
        let plain = if self.seen.contains_key(&key) { None } else { Some(self.copy(plain)?) };
        self.pending.push(Pending { key, plain });
        let held: usize = self.pending.iter().filter_map(|p| p.plain.as_ref()).map(Buf::granted).sum();
        if self.pending.len() >= KEYS || held > self.budget.limit() / 4 { self.flush() } else { Ok(()) }
    }

    fn copy(&mut self, plain: &[u8]) -> Result<Buf, Error> {
        let mut buf = match self.budget.try_take(plain.len()) {
            Some(buf) => buf,
            None => {
                // Nothing may be held back by this thread while it waits.
                self.flush()?;
                self.budget.take(plain.len())
            }
        };
        buf.extend_from_slice(plain);
        Ok(buf)
    }

    /// Asks for the pending keys and sends every chunk on its way.
    ///
    /// While it waits for a buffer it holds pending chunks: up to a quarter of the budget and one chunk more, each in
    /// a buffer of up to one and a half its size. All else ends without it, so it cannot wait for ever with a budget
    /// of four and a half times the largest chunk.
    fn flush(&mut self) -> Result<(), Error> {
        let pending = mem::take(&mut self.pending);
        let mut keys: Vec<_> =
            pending.iter().map(|p| p.key).filter(|key| !self.seen.contains_key(key)).collect();
        keys.sort_unstable();
        keys.dedup();
        if !keys.is_empty() {
            let found = self.index.find(&keys).map_err(Error::Index)?;
            if found.len() != keys.len() {
                return Err(Error::Index(anyhow::anyhow!("{} answers to {} keys", found.len(), keys.len())));
            }
            let known = keys.into_iter().zip(found);
            self.seen.extend(known.filter_map(|(key, located)| Some((key, Place::Known(located?)))));
        }
        pending.into_iter().try_for_each(|pending| self.place(pending))
    }

    fn place(&mut self, Pending { key, plain }: Pending) -> Result<(), Error> {
        match (self.seen.get(&key).copied(), plain) {
            (Some(Place::New(at)), _) => {
                self.uses.push(ChunkUse::New(at));
                self.send(Slot::Again(at))
            }
            (Some(Place::Known(located)), plain) => {
                self.check(&key, &located, plain.as_ref())?;
                drop(plain);
                self.uses.push(ChunkUse::Known(located.chunk));
                let disk = self.store.disk().clone();
                let answer = self.work(located.length as usize, move |_, out| disk.read_chunk(&located, out));
                self.send(Slot::Known(answer))
            }
            (None, Some(plain)) => {
                let at = self.new.len();
                self.seen.insert(key, Place::New(at));
                self.uses.push(ChunkUse::New(at));
                self.new.push((key, plain.len() as u32));
                let codec = self.codec;
                let answer = self.work(codec.bound(plain.len()), move |compressors, out| {
                    compressors.compress(codec, &plain, out).map_err(Error::io("compress a chunk"))
                });
                self.send(Slot::New(answer))
            }
            // Bytes are only left out for what was seen, and nothing leaves `seen`.
            (None, None) => Err(Error::Stopped),
        }
    }

    /// What the index says must be possible, before a buffer is made for it.
    fn check(&self, key: &ChunkKey, located: &Located, plain: Option<&Buf>) -> Result<(), Error> {
        let length = located.plain as usize;
        let possible = length <= self.store.sizes().max
            && plain.is_none_or(|plain| plain.len() == length)
            && located.length as usize <= key.codec.bound(length);
        let wrong =
            || Error::Damaged(format!("chunk {} has a length that its content cannot have", located.chunk));
        if possible { Ok(()) } else { Err(wrong()) }
    }

    /// Runs `job` on one of the threads, with a buffer for `size` bytes.
    fn work(
        &self,
        size: usize,
        job: impl FnOnce(&mut Compressors, &mut Buf) -> Result<(), Error> + Send + 'static,
    ) -> Answer {
        let mut out = self.budget.take(size);
        let (reply, answer) = mpsc::sync_channel(1);
        self.store.threads().run(move |compressors| {
            let done = job(compressors, &mut out).map(|()| out);
            // Nobody waits any more if the layer was given up.
            let _ = reply.send(done);
        });
        answer
    }

    fn send(&mut self, slot: Slot) -> Result<(), Error> {
        match self.slots.as_ref().map(|slots| slots.send(slot)) {
            Some(Ok(())) => Ok(()),
            // The collector only leaves early with an error.
            _ => self.join().and(Err(Error::Stopped)),
        }
    }

    /// Surfaces a failure of another thread.
    pub(crate) fn check_on(&mut self) -> Result<(), Error> {
        match &self.collector {
            Some(collector) if !collector.is_finished() => Ok(()),
            _ => self.join().and(Err(Error::Stopped)),
        }
    }

    /// Sends what is pending and ends the blob; its recipe.
    pub(crate) fn end_blob(&mut self) -> Result<Vec<ChunkUse>, Error> {
        self.flush()?;
        self.send(Slot::End)?;
        Ok(mem::take(&mut self.uses))
    }

    /// Waits for the collector. Every blob was ended before.
    pub(crate) fn finish(&mut self) -> Result<Collected, Error> {
        self.send(Slot::Finish)?;
        self.join()
    }

    fn join(&mut self) -> Result<Collected, Error> {
        self.slots = None;
        self.collector.take().and_then(|collector| collector.join().ok()).unwrap_or(Err(Error::Stopped))
    }

    /// Gives the layer up; the unfinished pack is gone when this returns.
    pub(crate) fn abandon(&mut self) {
        self.pending.clear();
        let _ = self.join();
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.abandon();
    }
}
