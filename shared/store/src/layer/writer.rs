//! Cutting a tar into chunks so that equal parts of different images give equal chunks.

use super::written::ChunkUse;
use super::{
    pipeline::Pipeline,
    written::{NewChunk, Written, WrittenLayer},
};
use crate::{
    Store,
    chunk::{ChunkIndex, ChunkSizes, Codec},
    error::Error,
    pack::PackId,
};
use fastcdc::v2020::FastCDC;
use sha2::{Digest, Sha256};
use std::{
    io::{self, Read},
    mem,
    sync::Arc,
};

/// Writes the layers of one import into one pack, one after the other, from a blocking thread.
///
/// Headers and small files are gathered into batches that end by content; a large file is cut by content into
/// chunks of its own. So a file added or changed touches the chunks around it and none after. Memory stays within
/// `StoreConfig::memory`; calls wait when the threads behind cannot follow. A failure of any thread comes out of the
/// next call, with its cause, and every call after that fails. Dropping the writer removes what it wrote.
pub struct LayerWriter {
    pipeline: Pipeline,
    sizes: ChunkSizes,
    codec: Codec,
    /// The batch being gathered, or the window over a large file: never both.
    stage: Vec<u8>,
    /// Bytes since the last boundary.
    entry: u64,
    diff: Sha256,
    plain_size: u64,
    /// The diff_id, plain size and recipe of each layer that has ended.
    ended: Vec<([u8; 32], u64, Vec<ChunkUse>)>,
    fixed: usize,
    stopped: bool,
}

impl LayerWriter {
    pub(crate) fn start(
        store: &Store,
        pack: PackId,
        codec: Codec,
        index: Arc<dyn ChunkIndex>,
    ) -> Result<LayerWriter, Error> {
        if !codec.is_valid() {
            return Err(Error::Setting(format!("{codec} is not a level that codec has")));
        }
        let sizes = store.sizes();
        // The stage here, and the collector's buffer for chunks met again.
        let fixed = 2 * sizes.max + codec.bound(sizes.max);
        let pipeline = Pipeline::start(store, pack, codec, index, store.memory() - fixed)?;
        let stage = Vec::with_capacity(2 * sizes.max);
        let diff = Sha256::new();
        Ok(LayerWriter {
            pipeline,
            sizes,
            codec,
            stage,
            entry: 0,
            diff,
            plain_size: 0,
            ended: Vec::new(),
            fixed,
            stopped: false,
        })
    }

    /// Headers, padding, small files: any bytes that are not a large file.
    ///
    /// # Errors
    /// The first failure of any part of the pipeline; `store.stopped` after it.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.guard(|writer| {
            writer.count(bytes);
            writer.entry += bytes.len() as u64;
            let mut rest = bytes;
            while !rest.is_empty() {
                let room = writer.sizes.max.saturating_sub(writer.stage.len()).min(rest.len());
                let (now, later) = rest.split_at(room);
                writer.stage.extend_from_slice(now);
                if writer.stage.len() >= writer.sizes.max {
                    writer.end_batch()?;
                }
                rest = later;
            }
            Ok(())
        })
    }

    /// A place between entries, `name` being the path of the entry that follows: a batch may end here.
    ///
    /// # Errors
    /// As `bytes`.
    pub fn boundary(&mut self, name: &[u8]) -> Result<(), Error> {
        self.guard(|writer| {
            let entry = mem::take(&mut writer.entry);
            let span = (writer.sizes.average - writer.sizes.min) as u64;
            if writer.stage.len() >= writer.sizes.min && ends_here(name, entry, span) {
                writer.end_batch()?;
            }
            Ok(())
        })
    }

    /// A file of `ChunkSizes::min` bytes or more (a smaller one is right too, only less well shared).
    /// Exactly `size` bytes are read.
    ///
    /// # Errors
    /// As `bytes`; `store.content` with the reader's own error if it fails or ends early.
    pub fn big(&mut self, content: &mut dyn Read, size: u64) -> Result<(), Error> {
        self.guard(|writer| {
            writer.end_batch()?;
            let mut remaining = size;
            while remaining > 0 || !writer.stage.is_empty() {
                remaining -= writer.fill(content, remaining)?;
                writer.cut(remaining == 0)?;
            }
            Ok(())
        })
    }

    /// Ends the layer in hand; what follows is the next one, and shares its chunks with those before.
    ///
    /// # Errors
    /// As `bytes`.
    pub fn end_layer(&mut self) -> Result<(), Error> {
        self.guard(|writer| {
            writer.end_batch()?;
            let uses = writer.pipeline.end_blob()?;
            let diff_id = writer.diff.finalize_reset().into();
            writer.ended.push((diff_id, mem::take(&mut writer.plain_size), uses));
            writer.entry = 0;
            Ok(())
        })
    }

    /// Waits until the pack is durable. What was written since the last [`LayerWriter::end_layer`] is a layer too.
    ///
    /// # Errors
    /// As `bytes`. Nothing is left in the store then.
    pub fn finish(mut self) -> Result<Written, Error> {
        if self.plain_size > 0 || self.ended.is_empty() {
            self.end_layer()?;
        }
        let collected = self.guard(|writer| writer.pipeline.finish())?;
        let keys = mem::take(&mut self.pipeline.new);
        let new = keys.into_iter().zip(collected.places);
        let ended = mem::take(&mut self.ended).into_iter().zip(collected.blobs);
        Ok(Written {
            layers: ended
                .map(|((diff_id, plain_size, chunks), (digest, size))| WrittenLayer {
                    diff_id,
                    digest,
                    size,
                    plain_size,
                    chunks,
                })
                .collect(),
            codec: self.codec,
            new: new
                .map(|((key, plain), (offset, length))| NewChunk { key, offset, length, plain })
                .collect(),
            pack: collected.pack,
            bytes_new: collected.pack.map_or(0, |pack| pack.size),
            peak_bytes: self.fixed + self.pipeline.budget.peak(),
        })
    }

    /// The first failure ends the writer: what follows it in the tar would be in the wrong place.
    fn guard<T>(&mut self, step: impl FnOnce(&mut LayerWriter) -> Result<T, Error>) -> Result<T, Error> {
        if self.stopped {
            return Err(Error::Stopped);
        }
        let done = self.pipeline.check_on().and_then(|()| step(self));
        if done.is_err() {
            self.stopped = true;
            self.pipeline.abandon();
        }
        done
    }

    fn count(&mut self, bytes: &[u8]) {
        self.diff.update(bytes);
        self.plain_size += bytes.len() as u64;
    }

    fn end_batch(&mut self) -> Result<(), Error> {
        if !self.stage.is_empty() {
            self.pipeline.add(&self.stage)?;
            self.stage.clear();
        }
        Ok(())
    }

    /// Reads into the window, up to its size; returns how much, which is 0 only for a full window or `remaining` 0.
    fn fill(&mut self, content: &mut dyn Read, remaining: u64) -> Result<u64, Error> {
        let held = self.stage.len();
        let want = remaining.min((2 * self.sizes.max).saturating_sub(held) as u64);
        let got = content.take(want).read_to_end(&mut self.stage).map_err(Error::Content)? as u64;
        if got < want {
            return Err(Error::Content(io::ErrorKind::UnexpectedEof.into()));
        }
        self.diff.update(self.stage.get(held..).unwrap_or_default());
        self.plain_size += got;
        Ok(got)
    }

    /// Cuts the window while a cut cannot depend on bytes not yet read.
    fn cut(&mut self, all: bool) -> Result<(), Error> {
        let ChunkSizes { min, average, max } = self.sizes;
        let mut at = 0;
        while let Some(window) = self.stage.get(at..)
            && (window.len() >= max || (all && !window.is_empty()))
        {
            let length =
                FastCDC::new(window, min, average, max).next().map_or(window.len(), |chunk| chunk.length);
            self.pipeline.add(window.get(..length).unwrap_or(window))?;
            at += length;
        }
        self.stage.drain(..at.min(self.stage.len()));
        Ok(())
    }
}

/// Whether a batch ends at this boundary: with a chance, drawn from the name, of the entry's bytes in `span`.
///
/// Weighed by bytes and not by entries, batches come out at the same average for a tree of one-kilobyte files and
/// one of hundred-kilobyte files; with a fixed chance the latter would always run into the hard limit, whose place
/// depends on everything before it.
fn ends_here(name: &[u8], entry: u64, span: u64) -> bool {
    let hash = blake3::hash(name);
    let draw = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    (u128::from(draw) * u128::from(span)) >> 64 < u128::from(entry)
}

#[cfg(test)]
mod tests {
    use super::ends_here;

    #[test]
    fn batches_end_in_proportion_to_bytes() {
        let span = 768 << 10;
        for entry in [1u64 << 10, 16 << 10, 200 << 10] {
            let ends =
                (0..20_000).filter(|i| ends_here(format!("usr/lib/{i}").as_bytes(), entry, span)).count();
            let expected = 20_000.0 * entry as f64 / span as f64;
            let share = ends as f64 / expected;
            assert!((0.5..1.5).contains(&share), "{entry}: {ends} for {expected}");
        }
        assert!(ends_here(b"any", span, span) && !ends_here(b"any", 0, span));
    }
}
