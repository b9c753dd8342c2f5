//! From the runtime to a thread: a blob as a blocking reader.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::{BlobStream, RegistryError};

/// How many pieces wait between registry and reader. Pieces are what the connection yields: tens of KiB.
const WAITING: usize = 16;

/// What crosses: the end is told, so that a pump that died is not taken for one.
enum Piece {
    Bytes(Bytes),
    Failed(RegistryError),
    End,
}

/// Reads a blob on a thread of its own; must not be read on a thread of the runtime. Dropping it ends the pull.
#[derive(Debug)]
pub struct BlobReader {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    state: State,
    pub(super) pump: AbortHandle,
}

#[derive(Debug)]
enum State {
    Open,
    Ended,
    Failed(RegistryError),
}

/// A blocking reader over a blob that the runtime keeps pulling, a bounded way ahead.
///
/// A [`RegistryError`] arrives inside the [`io::Error`]; [`RegistryError::within`] takes it out again.
pub fn blocking_reader(mut blob: BlobStream, runtime: &Handle) -> BlobReader {
    let (sender, pieces) = mpsc::channel(WAITING);
    let pump = runtime.spawn(async move {
        let mut end = Piece::End;
        while let Some(next) = blob.next().await {
            match next {
                Ok(bytes) => {
                    if sender.send(Piece::Bytes(bytes)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    end = Piece::Failed(error);
                    break;
                }
            }
        }
        // Nobody listening is what a dropped reader looks like.
        let _ = sender.send(end).await;
    });
    BlobReader { pieces, current: Bytes::new(), state: State::Open, pump: pump.abort_handle() }
}

impl Read for BlobReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        while self.current.is_empty() {
            match &self.state {
                State::Open => {}
                State::Ended => return Ok(0),
                State::Failed(error) => return Err(io::Error::other(error.clone())),
            }
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = bytes,
                Some(Piece::End) => self.state = State::Ended,
                Some(Piece::Failed(error)) => self.state = State::Failed(error),
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the pull was ended from outside",
                    ));
                }
            }
        }
        let length = buf.len().min(self.current.len());
        let (Some(to), Some(from)) = (buf.get_mut(..length), self.current.get(..length)) else {
            return Ok(0);
        };
        to.copy_from_slice(from);
        self.current.advance(length);
        Ok(length)
    }
}

impl Drop for BlobReader {
    fn drop(&mut self) {
        self.pump.abort();
    }
}
