//! From a stream to a blocking `Read`, for a thread that reads a layer.

use std::io::{self, Read};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;

/// Pieces on their way from the network to the thread.
const AHEAD: usize = 32;

struct Reader<E> {
    pieces: mpsc::Receiver<Result<Bytes, E>>,
    piece: Bytes,
}

/// A blocking reader of a stream, which is driven by a task of its own. The stream's error comes through as the
/// cause of the `io::Error`. Dropping the reader ends the task.
pub fn blocking_reader<E>(
    stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Box<dyn Read + Send>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let (send, pieces) = mpsc::channel(AHEAD);
    // Boxed: a reader may be made inside any future without growing it.
    let mut stream = stream.boxed();
    tokio::spawn(async move {
        while let Some(piece) = stream.next().await {
            if send.send(piece).await.is_err() {
                return;
            }
        }
    });
    Box::new(Reader { pieces, piece: Bytes::new() })
}

impl<E: std::error::Error + Send + Sync + 'static> Read for Reader<E> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let much = self.piece.len().min(into.len());
        let piece = self.piece.split_to(much);
        into.get_mut(..much).unwrap_or_default().copy_from_slice(&piece);
        Ok(much)
    }
}
