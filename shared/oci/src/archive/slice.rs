//! A part of a file, read where it lies. Many can read the same file at once.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Some bytes of a file, from an offset on.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Slice {
    pub(super) fn new(file: Arc<File>, at: u64, length: u64) -> Self {
        Self { file, at, left: length }
    }

    /// Bytes still to read.
    pub(super) fn len(&self) -> u64 {
        self.left
    }
}

impl Read for Slice {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let Some(part) = buf.get_mut(..most).filter(|part| !part.is_empty()) else { return Ok(0) };
        let read = self.file.read_at(part, self.at)?;
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive was cut while it was read",
            ));
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
