//! The contents of a layer's files, one after the other in an unnamed temporary file.
//!
//! Which files survive is known only when every layer was read. Inflating every layer a second time would cost more
//! than writing their files once to the page cache, so that is what is done; the file has no name, and is gone with
//! the process.

use std::fs::File;
use std::io::{self, BufWriter, Write};
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

/// A stretch of contents read at once: small files are mostly asked for in the order in which they lie.
#[derive(Debug, Default)]
pub(crate) struct Window {
    of: Option<Contents>,
    from: u64,
    bytes: Vec<u8>,
}

/// Bytes of a window.
const WINDOW: usize = 256 << 10;

impl Contents {
    /// Appends `size` bytes from a place on.
    pub(crate) fn read(
        &self,
        at: u64,
        size: usize,
        window: &mut Window,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        if size == 0 {
            return Ok(());
        }
        let same = window.of.as_ref().is_some_and(|of| Arc::ptr_eq(&of.0, &self.0));
        if !same || !window.holds(at, size) {
            window.of = None;
            window.bytes.resize(WINDOW.max(size), 0);
            let read = read_most(&self.0, &mut window.bytes, at)?;
            window.bytes.truncate(read);
            (window.of, window.from) = (Some(self.clone()), at);
        }
        let from = usize::try_from(at - window.from).unwrap_or(usize::MAX);
        let bytes = window.bytes.get(from..).and_then(|rest| rest.get(..size));
        out.extend_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Contents {
    /// Reads `size` bytes from a place on.
    pub(crate) fn reader(&self, at: u64, size: u64) -> impl io::Read + use<> {
        Part { file: Arc::clone(&self.0), at, left: size }
    }
}

struct Part {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl io::Read for Part {
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

impl Window {
    fn holds(&self, at: u64, size: usize) -> bool {
        at >= self.from && at + size as u64 <= self.from + self.bytes.len() as u64
    }
}

/// Fills the buffer, or as much of it as the file has.
fn read_most(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut have = 0;
    while let Some(rest) = into.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + have as u64) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}
