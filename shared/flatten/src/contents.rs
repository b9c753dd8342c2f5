//! The contents of a layer's files, one after the other in an unnamed temporary file.
//!
//! Which files survive is known only when every layer was read. Inflating every layer a second time would cost more
//! than writing their files once to the page cache, so that is what is done; the file has no name, and is gone with
//! the process.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Written so far.
#[derive(Debug)]
pub(crate) struct Spool {
    file: BufWriter<File>,
    at: u64,
}

/// Contents that can be read in any order, by many threads.
#[derive(Debug, Clone)]
pub struct Contents(Arc<File>);

impl Spool {
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::with_capacity(1 << 20, tempfile::tempfile_in(dir)?), at: 0 })
    }

    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    pub(crate) fn finish(self) -> io::Result<Contents> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Contents(Arc::new(file)))
    }
}

impl Contents {
    /// Reads `size` bytes from a place on.
    pub(crate) fn reader(&self, at: u64, size: u64) -> impl Read + use<> {
        Part { file: Arc::clone(&self.0), at, left: size }
    }
}

struct Part {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Part {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let read = self.file.read_at(into.get_mut(..most).unwrap_or_default(), self.at)?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
