//! Reading blobs: any byte range, bounded read-ahead, and never a short answer for a damaged recipe.

mod buffers;
mod piece;
mod reader;

pub(crate) use buffers::Buffers;
pub use reader::RunReader;

use crate::{
    Store,
    error::Error,
    recipe::{self, Run},
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use piece::Pieces;
use std::{io, ops::Range};

/// Pieces read before they are asked for: the disk works on one while the other is sent.
const READ_AHEAD: usize = 2;

impl Store {
    /// Streams `range` of the blob that `runs` make. No thread is held while the receiver is slow, and at most two
    /// buffers of 512 KiB are read ahead. The stream ends after its first error.
    ///
    /// # Errors
    /// `store.damaged` if the runs are shorter than the range or a pack is missing or too short, before any byte;
    /// `store.io`.
    pub async fn read(
        &self,
        runs: Vec<Run>,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + Unpin + use<>, Error> {
        let runs = recipe::slice(&runs, range)?;
        let disk = self.disk().clone();
        let opened = tokio::task::spawn_blocking(move || Pieces::open(&disk, runs));
        let pieces = opened.await.map_err(|error| Error::io("read a blob")(io::Error::other(error)))??;
        let buffers = self.buffers().clone();
        let read = move |piece: piece::Piece| {
            let buffers = buffers.clone();
            async move {
                let read = tokio::task::spawn_blocking(move || piece.read(&buffers));
                read.await.unwrap_or_else(|error| Err(io::Error::other(error)))
            }
        };
        let stream = futures::stream::iter(pieces).map(read).buffered(READ_AHEAD);
        let until_error = stream.scan(false, |failed, item| {
            let next = (!*failed).then_some(item);
            *failed = matches!(next, None | Some(Err(_)));
            async move { next }
        });
        Ok(until_error.boxed())
    }

    /// Reads the whole blob that `runs` make, from a blocking thread.
    ///
    /// # Errors
    /// As `read`.
    pub fn reader(&self, runs: &[Run]) -> Result<RunReader, Error> {
        let total = runs.iter().try_fold(0u64, |sum, run| sum.checked_add(run.length));
        let total = total.ok_or_else(|| Error::Damaged("a recipe is longer than any blob can be".into()))?;
        let runs = recipe::slice(runs, 0..total)?;
        Ok(RunReader::new(Pieces::open(self.disk(), runs)?, self.buffers().clone()))
    }
}
