//! A part of an archive's file, and a reader that checks it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::ArchiveError;
use crate::digest::{Digest, Verifier};

/// Bytes of the archive's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) at: u64,
    pub(super) size: u64,
}

impl Part {
    pub(super) fn reader(self, file: &Arc<File>) -> PartReader {
        PartReader { file: Arc::clone(file), at: self.at, left: self.size }
    }
}

pub(super) struct PartReader {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for PartReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let read = self.file.read_at(into.get_mut(..most).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// A reader whose end is an error unless the bytes were those of the digest.
pub(super) struct Verified<R> {
    inner: R,
    expected: String,
    verifier: Option<Verifier>,
}

impl<R> Verified<R> {
    pub(super) fn new(inner: R, digest: &Digest) -> Self {
        Self { inner, expected: digest.to_string(), verifier: Some(digest.verifier()) }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        if read > 0 || into.is_empty() {
            if let Some(verifier) = &mut self.verifier {
                verifier.update(into.get(..read).unwrap_or_default());
            }
            return Ok(read);
        }
        match self.verifier.take().map(Verifier::finish) {
            Some(Err(got)) => {
                Err(io::Error::other(ArchiveError::Mismatch { expected: self.expected.clone(), got }))
            }
            _ => Ok(0),
        }
    }
}
