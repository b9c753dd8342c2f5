//! Reading blobs: runs of packs, one after the other.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{Located, PackId, Result, Store, StoreError};

/// Bytes of one pack, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The pack.
    pub pack: PackId,
    /// Where they begin.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

/// Bytes read at once.
const PIECE: usize = 512 * 1024;

impl Store {
    /// Streams a range of the concatenated runs. Every pack is opened and its size checked before the first byte is
    /// answered, so that damage is an error and not a body that breaks off.
    ///
    /// # Errors
    /// When a pack is missing or too short.
    pub async fn read(
        &self,
        runs: Vec<Run>,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
        let store = self.clone();
        let mut reader = tokio::task::spawn_blocking(move || store.reader(&runs, range))
            .await
            .map_err(|e| StoreError::Io { what: "a reader ended", cause: e.into() })??;
        let (send, pieces) = mpsc::channel(2);
        tokio::task::spawn_blocking(move || {
            loop {
                let mut piece = vec![0; PIECE];
                let read = match reader.read(&mut piece) {
                    Ok(0) => return,
                    Ok(read) => read,
                    Err(error) => {
                        let _ = send.blocking_send(Err(error));
                        return;
                    }
                };
                piece.truncate(read);
                if send.blocking_send(Ok(piece.into())).is_err() {
                    // The client has gone.
                    return;
                }
            }
        });
        Ok(ReceiverStream::new(pieces))
    }

    /// Reads a range of the concatenated runs, blocking.
    ///
    /// # Errors
    /// When a pack is missing or too short.
    pub fn reader(&self, runs: &[Run], range: Range<u64>) -> Result<RunReader> {
        let mut parts = Vec::new();
        let mut start = 0;
        for run in runs {
            let end = start + run.length;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let file = self.open_pack(&run.pack, run.offset + run.length)?;
                parts.push(Part { file, at: run.offset + (from - start), left: to - from });
            }
            start = end;
        }
        if range.end > start {
            return Err(StoreError::Damaged(format!("a blob has {start} bytes where {} are needed", range.end)));
        }
        parts.reverse();
        Ok(RunReader { parts })
    }

    /// The compressed bytes of one chunk.
    pub(crate) fn chunk(&self, located: &Located) -> Result<Vec<u8>> {
        let file = self.open_pack(&located.pack, located.offset + u64::from(located.length))?;
        let mut bytes = vec![0; located.length as usize];
        file.read_exact_at(&mut bytes, located.offset).map_err(StoreError::io("a chunk cannot be read"))?;
        Ok(bytes)
    }

    fn open_pack(&self, pack: &PackId, least: u64) -> Result<File> {
        let path = self.root.join(pack.key().as_ref());
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Damaged(format!("pack {pack} is missing")));
            }
            Err(error) => return Err(StoreError::io("a pack cannot be opened")(error)),
        };
        let size = file.metadata().map_err(StoreError::io("a pack cannot be opened"))?.len();
        if size < least {
            return Err(StoreError::Damaged(format!("pack {pack} has {size} bytes where {least} are needed")));
        }
        Ok(file)
    }
}

#[derive(Debug)]
struct Part {
    file: File,
    at: u64,
    left: u64,
}

/// A blocking reader over runs.
#[derive(Debug)]
pub struct RunReader {
    // The next one is last.
    parts: Vec<Part>,
}

impl Read for RunReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(part) = self.parts.last_mut() {
            let most = usize::try_from(part.left).unwrap_or(usize::MAX).min(into.len());
            let Some(into) = into.get_mut(..most).filter(|into| !into.is_empty()) else {
                if into.is_empty() {
                    return Ok(0);
                }
                self.parts.pop();
                continue;
            };
            let read = part.file.read_at(into, part.at)?;
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a pack became shorter while it was read"));
            }
            part.at += read as u64;
            part.left -= read as u64;
            if part.left == 0 {
                self.parts.pop();
            }
            return Ok(read);
        }
        Ok(0)
    }
}
