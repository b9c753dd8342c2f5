//! A blob as a stream: checked while it comes, resumed where it broke off.

use std::pin::Pin;
use std::time::Instant;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use reqwest::{Response, StatusCode, header};

use super::request::reason;
use super::{RegistryError, Repository};
use crate::digest::Verifier;
use crate::manifest::Descriptor;

/// The bytes of a blob. The last item is an error unless all of them were right.
pub type BlobStream = Pin<Box<dyn Stream<Item = Result<Bytes, RegistryError>> + Send>>;

/// A blob may break off this often without a byte in between.
const BREAKS: u32 = 4;

struct State {
    repository: Repository,
    wanted: Descriptor,
    verifier: Verifier,
    got: u64,
    /// Bytes of the answer in hand that we have already: the server did not honour the range.
    skip: u64,
    body: Option<Response>,
    breaks: u32,
    window: (Instant, u64),
}

impl Repository {
    /// A blob, checked against its digest and size while it streams.
    pub fn blob(&self, wanted: Descriptor) -> BlobStream {
        let state = State {
            repository: self.clone(),
            verifier: wanted.digest.verifier(),
            wanted,
            got: 0,
            skip: 0,
            body: None,
            breaks: 0,
            window: (Instant::now(), 0),
        };
        stream::try_unfold(state, |mut state| async move {
            let piece = state.next().await?;
            Ok(piece.map(|piece| (piece, state)))
        })
        .boxed()
    }
}

impl State {
    async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            if self.body.is_none() && self.got >= self.wanted.size && self.got > 0 {
                return self.end();
            }
            let body = match &mut self.body {
                Some(body) => body,
                None => {
                    let opened = self.open().await?;
                    self.window = (Instant::now(), self.got);
                    self.body.insert(opened)
                }
            };
            match tokio::time::timeout(self.repository.patience.idle, body.chunk()).await {
                Err(_) => self.broke(self.repository.slow("no byte came"))?,
                Ok(Err(error)) => {
                    let broke =
                        self.repository.answer(&format!("a blob that broke off ({})", reason(&error)), true);
                    self.broke(broke)?;
                }
                Ok(Ok(None)) if self.got < self.wanted.size => {
                    let (got, expected) = (self.got, self.wanted.size);
                    self.broke(RegistryError::Size { what: self.wanted.digest.to_string(), expected, got })?;
                }
                Ok(Ok(None)) => return self.end(),
                Ok(Ok(Some(piece))) => {
                    let piece = self.fresh(piece);
                    if !piece.is_empty() {
                        return self.take(piece).map(Some);
                    }
                }
            }
        }
    }

    async fn open(&mut self) -> Result<Response, RegistryError> {
        let url = self.repository.url(&format!("blobs/{}", self.wanted.digest))?;
        let response = self.repository.get(url, "*/*", self.got).await?;
        self.skip = 0;
        if response.status() == StatusCode::PARTIAL_CONTENT {
            let place = response.headers().get(header::CONTENT_RANGE).and_then(|v| v.to_str().ok());
            if !place.is_some_and(|place| place.starts_with(&format!("bytes {}-", self.got))) {
                return Err(self.repository.answer("another range than was asked for", false));
            }
        } else {
            self.skip = self.got;
        }
        Ok(response)
    }

    /// What of a piece we do not have yet.
    fn fresh(&mut self, mut piece: Bytes) -> Bytes {
        let old = self.skip.min(piece.len() as u64);
        self.skip -= old;
        piece.split_off(usize::try_from(old).unwrap_or(usize::MAX))
    }

    fn take(&mut self, piece: Bytes) -> Result<Bytes, RegistryError> {
        self.got += piece.len() as u64;
        if self.got > self.wanted.size {
            let what = self.wanted.digest.to_string();
            return Err(RegistryError::Size { what, expected: self.wanted.size, got: self.got });
        }
        self.verifier.update(&piece);
        self.breaks = 0;
        self.keeps_pace()?;
        Ok(piece)
    }

    fn keeps_pace(&mut self) -> Result<(), RegistryError> {
        let patience = &self.repository.patience;
        let (since, had) = self.window;
        if since.elapsed() >= patience.slow_over {
            let came = self.got - had;
            if came < patience.slowest * patience.slow_over.as_secs().max(1) {
                return Err(self.repository.slow(&format!("{came} bytes in {:?}", patience.slow_over)));
            }
            self.window = (Instant::now(), self.got);
        }
        Ok(())
    }

    fn broke(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        self.body = None;
        self.breaks += 1;
        if self.breaks > BREAKS { Err(error) } else { Ok(()) }
    }

    fn end(&mut self) -> Result<Option<Bytes>, RegistryError> {
        match self.verifier.clone().finish() {
            Ok(()) => Ok(None),
            Err(got) => Err(RegistryError::Mismatch {
                target: self.repository.target.to_string(),
                expected: self.wanted.digest.to_string(),
                got,
            }),
        }
    }
}
