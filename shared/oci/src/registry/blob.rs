//! Blobs: streamed, verified, and resumed where a connection was cut.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures::stream::{BoxStream, Stream, StreamExt, try_unfold};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};

use super::body::{Body, Broken, Speed};
use super::send::host_of;
use super::{RegistryError, Repository};
use crate::digest::{Mismatch, Verifier};
use crate::manifest::Descriptor;

/// The bytes of a blob. An error ends it; an end without error means that digest and size were right.
pub struct BlobStream {
    inner: BoxStream<'static, Result<Bytes, RegistryError>>,
}

impl BlobStream {
    pub(super) async fn open(repository: Repository, descriptor: Descriptor) -> Result<Self, RegistryError> {
        let verifier = Verifier::new(descriptor.digest.clone(), descriptor.size);
        let mut pull = Pull {
            repository,
            descriptor,
            verifier,
            body: None,
            speed: Speed::default(),
            skip: 0,
            stalled: 0,
            resumed: 0,
            ranges: true,
        };
        // Now rather than at the first poll: whoever opens a blob learns here that it is not there.
        pull.body = Some(pull.connect().await?);
        Ok(Self { inner: try_unfold(pull, Pull::next).boxed() })
    }
}

impl std::fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlobStream")
    }
}

impl Stream for BlobStream {
    type Item = Result<Bytes, RegistryError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.as_mut().poll_next(cx)
    }
}

/// A pull in progress.
struct Pull {
    repository: Repository,
    descriptor: Descriptor,
    verifier: Verifier,
    body: Option<Body>,
    /// Of the bodies before the present one.
    speed: Speed,
    /// Bytes of the present body that were handed out before, by an earlier one.
    skip: u64,
    /// Bodies in a row that brought nothing new.
    stalled: u32,
    /// Bodies that came after the first.
    resumed: u32,
    /// Whether the registry is still believed to understand `Range`.
    ranges: bool,
}

impl Pull {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, RegistryError> {
        loop {
            let mut body = match self.body.take() {
                Some(body) => body,
                None => self.connect().await?,
            };
            // A promised length was compared when the body began: nothing can follow the last byte.
            if self.verifier.missing() == 0 && self.skip == 0 && body.promised().is_some() {
                return self.end();
            }
            let next = body.chunk().await;
            self.speed = body.speed;
            match next {
                Ok(Some(mut bytes)) => {
                    let skipped = self.skip.min(bytes.len() as u64);
                    self.skip -= skipped;
                    bytes.advance(usize::try_from(skipped).unwrap_or(usize::MAX).min(bytes.len()));
                    self.body = Some(body);
                    if bytes.is_empty() {
                        continue;
                    }
                    self.verifier.update(&bytes)?;
                    self.stalled = 0;
                    return Ok(Some((bytes, self)));
                }
                // Where no length was promised, the end after the last byte is the proof that no more follows.
                Ok(None) | Err(Broken::Cut(_)) if self.verifier.missing() == 0 => return self.end(),
                Ok(None) => {
                    let host = host_of(&self.repository.inner.base);
                    let why = "the connection ended before the blob did".to_owned();
                    self.pause(RegistryError::Unreachable { host, why }).await?;
                }
                Err(Broken::Cut(error)) => self.pause(error).await?,
                Err(Broken::Slow(error)) => return Err(error),
            }
        }
    }

    fn end(self) -> Result<Option<(Bytes, Self)>, RegistryError> {
        self.verifier.finish()?;
        Ok(None)
    }

    /// Waits before the blob is resumed, or gives up.
    async fn pause(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        let patience = &self.repository.inner.patience;
        self.stalled += 1;
        self.resumed += 1;
        if self.stalled >= patience.attempts || self.resumed > patience.resumes {
            return Err(error);
        }
        tracing::debug!(%error, blob = %self.descriptor.digest, at = self.verifier.seen(), "a blob is resumed");
        tokio::time::sleep(patience.pause_after(self.stalled)).await;
        Ok(())
    }

    /// Asks for the blob, or for what is missing of it.
    async fn connect(&mut self) -> Result<Body, RegistryError> {
        loop {
            let inner = &self.repository.inner;
            let from = self.verifier.seen();
            let ranged = self.ranges && from > 0 && self.verifier.missing() > 0;
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            if ranged && let Ok(range) = HeaderValue::from_str(&format!("bytes={from}-")) {
                headers.insert(RANGE, range);
            }
            let response =
                inner.send(Method::GET, &inner.blob_path(&self.descriptor.digest), headers).await?;
            match response.status() {
                StatusCode::OK => {
                    self.check_length(response.content_length(), self.descriptor.size)?;
                    self.skip = from;
                    return Ok(Body::new(response, inner.patience.clone()).after(self.speed));
                }
                StatusCode::PARTIAL_CONTENT if ranged && self.is_the_rest(&response, from) => {
                    self.check_length(response.content_length(), self.verifier.missing())?;
                    self.skip = 0;
                    return Ok(Body::new(response, inner.patience.clone()).after(self.speed));
                }
                // Its ranges are not to be trusted; without them it will send everything.
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if ranged => {
                    self.ranges = false
                }
                StatusCode::NOT_FOUND if self.descriptor.is_foreign() => {
                    let digest = self.descriptor.digest.to_string();
                    return Err(RegistryError::Foreign { digest, reference: inner.shown.clone() });
                }
                _ => {
                    let reference = format!("{}, blob {}", inner.shown, self.descriptor.digest);
                    return Err(inner.refused(response, &reference).await);
                }
            }
        }
    }

    fn check_length(&self, promised: Option<u64>, due: u64) -> Result<(), Mismatch> {
        match promised {
            Some(length) if length != due => Err(Mismatch::Size {
                digest: self.descriptor.digest.clone(),
                expected: self.descriptor.size,
                found: (self.descriptor.size - due).saturating_add(length).to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether a partial answer begins at `from` and ends with the blob.
    fn is_the_rest(&self, response: &Response, from: u64) -> bool {
        let size = self.descriptor.size;
        let text = response.headers().get(CONTENT_RANGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let Some((range, total)) = text.strip_prefix("bytes ").and_then(|t| t.split_once('/')) else {
            return false;
        };
        let Some((first, last)) = range.split_once('-') else { return false };
        let whole = total.trim() == "*" || total.trim().parse() == Ok(size);
        whole && first.trim().parse() == Ok(from) && last.trim().parse::<u64>().ok() == size.checked_sub(1)
    }
}
