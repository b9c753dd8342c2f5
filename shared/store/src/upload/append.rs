//! Appending to an upload from a stream.

use super::{UploadId, blocking, lock};
use crate::{Error, Store};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use std::{io, pin::pin};
use tokio::io::{AsyncWriteExt, BufWriter};

/// What is gathered before a write: request bodies come in pieces of a few kilobytes.
const GATHER: usize = 512 << 10;

impl Store {
    /// Appends `content`, which must continue at `offset`; returns where the upload stands then, in bytes.
    ///
    /// Whatever of the content arrived before a failure is kept, and `upload_offset` says where to continue. One
    /// request at a time may append.
    ///
    /// # Errors
    /// `upload.offset` if the upload does not stand at `offset`; `upload.too_large` when a piece of the stream would
    /// pass `limit` bytes, that piece not being written; `store.content` with the stream's error; `upload.unknown`,
    /// `upload.busy`, `store.full`, `store.io`.
    pub async fn append_upload<E>(
        &self,
        id: UploadId,
        offset: u64,
        limit: u64,
        content: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<u64, Error>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let write = Error::io("write an upload");
        let (part, _) = self.upload_files(id);
        let (file, mut stands) = blocking("open an upload", move || {
            let file = lock(id, &part)?;
            let length = file.metadata().map_err(Error::io("look at an upload"))?.len();
            Ok((file, length))
        })
        .await?;
        if stands != offset {
            return Err(Error::UploadOffset { expected: stands, given: offset });
        }
        let mut file = BufWriter::with_capacity(GATHER, tokio::fs::File::from_std(file));
        let mut content = pin!(content);
        let ended = loop {
            match content.next().await {
                None => break Ok(()),
                Some(Err(error)) => break Err(Error::Content(io::Error::other(error))),
                Some(Ok(bytes)) => {
                    let after = stands.saturating_add(bytes.len() as u64);
                    if after > limit {
                        break Err(Error::UploadTooLarge { limit });
                    }
                    file.write_all(&bytes).await.map_err(&write)?;
                    stands = after;
                }
            }
        };
        // `tokio` writes behind: only a flush says that the bytes are in the file.
        file.flush().await.map_err(&write)?;
        ended.map(|()| stands)
    }
}
