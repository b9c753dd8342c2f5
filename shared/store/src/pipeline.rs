//! The threads behind a layer writer: workers that compress (or read what is known), and one collector that puts the
//! chunks back in order, hashes the blob, and appends what is new to the pack.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use object_store::{ObjectStoreExt as _, WriteMultipart};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::budget::Budget;
use crate::codec::Compressor;
use crate::{Codec, Located, NewChunk, PackId, Result, Store, StoreError};

/// What to do with a chunk.
#[derive(Debug)]
pub(crate) enum Task {
    /// Compress and append it.
    New { digest: [u8; 32] },
    /// Compress it for the blob's digest; its bytes are in the pack already.
    Again,
    /// Read its compressed bytes from where they are.
    Known(Located),
}

/// A chunk on its way.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) place: usize,
    pub(crate) plain: Vec<u8>,
    pub(crate) task: Task,
}

struct Packed {
    place: usize,
    plain: usize,
    task: Task,
    bytes: Result<Vec<u8>>,
}

/// What the collector has at the end.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) digest: [u8; 32],
    pub(crate) size: u64,
    pub(crate) new: Vec<NewChunk>,
    pub(crate) pack: Option<(PackId, u64)>,
}

/// The running threads.
pub(crate) struct Pipeline {
    jobs: Option<SyncSender<Job>>,
    failed: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
    collector: Option<JoinHandle<Result<Collected>>>,
}

impl Pipeline {
    pub(crate) fn start(store: &Store, pack: PackId, codec: Codec, threads: usize, budget: &Arc<Budget>) -> Result<Self> {
        let threads = threads.max(1);
        let (jobs, queue) = sync_channel::<Job>(threads * 2);
        let (done, packed) = sync_channel::<Packed>(threads * 2);
        let queue = Arc::new(Mutex::new(queue));
        let mut workers = Vec::new();
        for _ in 0..threads {
            let compressor = codec.compressor().map_err(StoreError::io("a compressor cannot be made"))?;
            let (store, queue, done) = (store.clone(), Arc::clone(&queue), done.clone());
            workers.push(spawn("compress", move || work(&store, compressor, &queue, &done))?);
        }
        let failed = Arc::new(AtomicBool::new(false));
        let collector = Collector {
            given_up: Arc::clone(&failed),
            store: store.clone(),
            runtime: Handle::current(),
            budget: Arc::clone(budget),
            pack,
            upload: None,
            at: 0,
            hash: Sha256::new(),
            size: 0,
            new: Vec::new(),
        };
        let collector = spawn("collect", move || collector.run(&packed))?;
        Ok(Self { jobs: Some(jobs), failed, workers, collector: Some(collector) })
    }

    /// Hands a chunk over; false when the collector has given up.
    pub(crate) fn send(&self, job: Job) -> bool {
        !self.failed.load(Ordering::Relaxed) && self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }

    /// Waits for everything that was handed over.
    pub(crate) fn finish(&mut self) -> Result<Collected> {
        self.jobs = None;
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        let gone = || StoreError::Io { what: "a thread of the store ended", cause: std::io::Error::other("panicked") };
        self.collector.take().and_then(|c| c.join().ok()).ok_or_else(gone)?
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if self.collector.is_some() {
            // Not finished: the collector sees a gap or an end it was not told of, and drops the pack.
            let _ = self.send(Job { place: usize::MAX, plain: Vec::new(), task: Task::Again });
            let _ = self.finish();
        }
    }
}

fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(StoreError::io("a thread cannot be started"))
}

fn work(store: &Store, mut compressor: Compressor, queue: &Mutex<Receiver<Job>>, done: &SyncSender<Packed>) {
    loop {
        // Only the taking is locked, not the work.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { place, plain, task }) = job else { return };
        let bytes = match &task {
            Task::Known(located) => store.chunk(located),
            _ => compressor.compress(&plain).map_err(StoreError::io("a chunk could not be compressed")),
        };
        if done.send(Packed { place, plain: plain.len(), task, bytes }).is_err() {
            // The collector gave up; drain what is queued so that nobody waits for room.
            while queue.lock().unwrap_or_else(PoisonError::into_inner).recv().is_ok() {}
            return;
        }
    }
}

struct Collector {
    given_up: Arc<AtomicBool>,
    store: Store,
    runtime: Handle,
    budget: Arc<Budget>,
    pack: PackId,
    upload: Option<WriteMultipart>,
    at: u64,
    hash: Sha256,
    size: u64,
    new: Vec<NewChunk>,
}

/// Parts of a pack on its way to the object store, at once.
const PARTS: usize = 4;

impl Collector {
    fn run(mut self, packed: &Receiver<Packed>) -> Result<Collected> {
        let mut early = BTreeMap::new();
        let mut next = 0;
        let mut failed = None;
        for chunk in packed {
            early.insert(chunk.place, chunk);
            while let Some(chunk) = early.remove(&next) {
                next += 1;
                let plain = chunk.plain;
                if failed.is_none() {
                    failed = self.add(chunk).err();
                    // Nobody need bring more: the writer asks before it does.
                    self.given_up.store(failed.is_some(), Ordering::Relaxed);
                }
                self.budget.give(plain);
            }
        }
        // Chunks that stand after a gap: the writer was dropped.
        if failed.is_none() && !early.is_empty() {
            failed = Some(StoreError::Io { what: "the layer was not finished", cause: std::io::Error::other("dropped") });
        }
        let upload = self.upload.take();
        if let Some(error) = failed {
            if let Some(upload) = upload {
                let _ = self.runtime.block_on(upload.abort());
            }
            return Err(error);
        }
        let pack = match upload {
            Some(upload) => {
                self.runtime.block_on(upload.finish())?;
                Some((self.pack, self.at))
            }
            None => None,
        };
        Ok(Collected { digest: self.hash.finalize().into(), size: self.size, new: self.new, pack })
    }

    fn add(&mut self, chunk: Packed) -> Result<()> {
        let bytes = chunk.bytes?;
        self.hash.update(&bytes);
        self.size += bytes.len() as u64;
        let Task::New { digest } = chunk.task else { return Ok(()) };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let plain = u32::try_from(chunk.plain).unwrap_or(u32::MAX);
        self.new.push(NewChunk { digest, offset: self.at, length, plain });
        self.at += u64::from(length);
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => {
                let key = self.pack.key();
                let begun = self.runtime.block_on(self.store.objects.put_multipart(&key))?;
                self.upload.insert(WriteMultipart::new_with_chunk_size(begun, 8 << 20))
            }
        };
        self.runtime.block_on(async {
            upload.wait_for_capacity(PARTS).await?;
            upload.put(bytes.into());
            Ok(())
        })
    }
}
