//! Writing a layer: bytes in, chunks out, everything hashed once.
//!
//! The caller's thread cuts and hashes the plain bytes; compression runs on workers, hashing of the blob and writing
//! of the pack on a thread of their own. Bytes in flight are bounded by a budget.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::budget::Budget;
use crate::cut::Sizes;
use crate::pipeline::{Job, Pipeline, Task};
use crate::{ChunkIndex, ChunkKey, Codec, NewChunk, PackId, Result, Store, StoreError};

/// How to write.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// How chunks are compressed.
    pub codec: Codec,
    /// Threads that compress; the machine's cores by default.
    pub threads: usize,
    /// Plain bytes that may be in flight.
    pub budget: usize,
}

impl Default for WriteOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self { codec: Codec::ZSTD, threads, budget: 48 << 20 }
    }
}

/// A chunk of the layer that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkUse {
    /// One the store had, by its id.
    Known(i64),
    /// One of the new ones, by its place among them.
    New(usize),
}

/// A layer that was written.
#[derive(Debug)]
pub struct WrittenLayer {
    /// SHA-256 of the plain tar.
    pub diff_id: [u8; 32],
    /// SHA-256 of the blob.
    pub digest: [u8; 32],
    /// Bytes of the blob.
    pub size: u64,
    /// Bytes of the plain tar.
    pub plain: u64,
    /// Its chunks, in order.
    pub chunks: Vec<ChunkUse>,
    /// The chunks that were new.
    pub new: Vec<NewChunk>,
    /// The pack they are in, and its bytes; none when nothing was new.
    pub pack: Option<(PackId, u64)>,
}

/// Chunks are looked up this many at a time.
const LOOK_UP: usize = 16;

/// A writer of one layer.
pub struct LayerWriter {
    index: Arc<dyn ChunkIndex>,
    pipeline: Pipeline,
    budget: Arc<Budget>,
    codec: Codec,
    sizes: Sizes,
    batch: Vec<u8>,
    waiting: VecDeque<(ChunkKey, Vec<u8>)>,
    waiting_bytes: usize,
    seen: HashMap<[u8; 32], ChunkUse>,
    chunks: Vec<ChunkUse>,
    new: usize,
    hash: Sha256,
    plain: u64,
}

impl Store {
    /// Begins a layer whose new chunks go into a pack of this name. Must be called inside a tokio runtime; the writer
    /// itself blocks, so use it on a blocking thread.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn write_layer(&self, pack: PackId, index: Arc<dyn ChunkIndex>, options: &WriteOptions) -> Result<LayerWriter> {
        let budget = Arc::new(Budget::new(options.budget));
        Ok(LayerWriter {
            index,
            pipeline: Pipeline::start(self, pack, options.codec, options.threads, &budget)?,
            budget,
            codec: options.codec,
            sizes: Sizes::default(),
            batch: Vec::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            seen: HashMap::new(),
            chunks: Vec::new(),
            new: 0,
            hash: Sha256::new(),
            plain: 0,
        })
    }
}

impl LayerWriter {
    /// Headers, padding, and the contents of small files.
    ///
    /// # Errors
    /// When the store or its index failed.
    pub fn bytes(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.plain += bytes.len() as u64;
        while self.batch.len() + bytes.len() > self.sizes.most {
            let (head, tail) = bytes.split_at(self.sizes.most - self.batch.len());
            self.batch.extend_from_slice(head);
            self.end_batch()?;
            bytes = tail;
        }
        self.batch.extend_from_slice(bytes);
        Ok(())
    }

    /// An entry of this name begins: a batch may end here.
    ///
    /// # Errors
    /// When the store or its index failed.
    pub fn boundary(&mut self, name: &[u8]) -> Result<()> {
        if self.sizes.ends(self.batch.len(), name) { self.end_batch() } else { Ok(()) }
    }

    /// The content of a big file, in chunks of its own.
    ///
    /// # Errors
    /// When the store or its index failed, or the content ends early.
    pub fn big(&mut self, content: &mut dyn Read, size: u64) -> Result<()> {
        self.end_batch()?;
        let mut left = size;
        let mut buffer: Vec<u8> = Vec::new();
        while left > 0 || !buffer.is_empty() {
            let want = (self.sizes.most - buffer.len()).min(usize::try_from(left).unwrap_or(usize::MAX));
            let have = buffer.len();
            buffer.resize(have + want, 0);
            let fresh = buffer.get_mut(have..).unwrap_or_default();
            content.read_exact(fresh).map_err(StoreError::io("a file's content could not be read again"))?;
            self.hash.update(&*fresh);
            left -= want as u64;
            let rest = buffer.split_off(self.sizes.piece(&buffer));
            self.chunk(std::mem::replace(&mut buffer, rest))?;
        }
        self.plain += size;
        Ok(())
    }

    /// Ends the layer. When this returns, the pack is on disk for good.
    ///
    /// # Errors
    /// When the store or its index failed.
    pub fn finish(mut self) -> Result<WrittenLayer> {
        self.end_batch()?;
        self.look_up()?;
        let collected = self.pipeline.finish()?;
        Ok(WrittenLayer {
            diff_id: std::mem::take(&mut self.hash).finalize().into(),
            digest: collected.digest,
            size: collected.size,
            plain: self.plain,
            chunks: std::mem::take(&mut self.chunks),
            new: collected.new,
            pack: collected.pack,
        })
    }

    fn end_batch(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let next = Vec::with_capacity(self.batch.len());
        let batch = std::mem::replace(&mut self.batch, next);
        self.chunk(batch)
    }

    fn chunk(&mut self, plain: Vec<u8>) -> Result<()> {
        let key = ChunkKey { digest: blake3::hash(&plain).into(), codec: self.codec };
        self.waiting_bytes += plain.len();
        self.budget.take(plain.len());
        self.waiting.push_back((key, plain));
        // Never wait for room that only chunks still waiting here could give back.
        if self.waiting.len() >= LOOK_UP || self.waiting_bytes >= 8 << 20 { self.look_up() } else { Ok(()) }
    }

    /// Asks the index about the chunks that wait, and hands them to the workers.
    fn look_up(&mut self) -> Result<()> {
        let keys: Vec<ChunkKey> = self.waiting.iter().map(|(key, _)| *key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let found = self.index.find(&keys).map_err(StoreError::Index)?;
        for ((key, plain), found) in self.waiting.drain(..).zip(found) {
            let (used, task) = match (self.seen.get(&key.digest), found) {
                (Some(ChunkUse::New(place)), _) => (ChunkUse::New(*place), Task::Again),
                (_, Some(located)) => (ChunkUse::Known(located.id), Task::Known(located)),
                _ => {
                    self.new += 1;
                    (ChunkUse::New(self.new - 1), Task::New { digest: key.digest })
                }
            };
            self.seen.insert(key.digest, used);
            let place = self.chunks.len();
            self.chunks.push(used);
            if !self.pipeline.send(Job { place, plain, task }) {
                // The collector knows why.
                return Err(self.pipeline.finish().err().unwrap_or_else(|| StoreError::Io {
                    what: "a thread of the store ended",
                    cause: io::Error::other("closed"),
                }));
            }
        }
        self.waiting_bytes = 0;
        Ok(())
    }
}
