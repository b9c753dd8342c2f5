//! The same bytes for blocking code: verification, and decompressing a whole blob.

use super::{Buffers, piece::Pieces};
use bytes::{Buf, Bytes};
use std::io::{self, BufRead, Read};

/// Reads a blob from its first byte to its last.
pub struct RunReader {
    pieces: Pieces,
    buffers: Buffers,
    current: Bytes,
}

impl RunReader {
    pub(crate) fn new(pieces: Pieces, buffers: Buffers) -> RunReader {
        RunReader { pieces, buffers, current: Bytes::new() }
    }
}

impl BufRead for RunReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.is_empty()
            && let Some(piece) = self.pieces.next()
        {
            // Given back first, so that one buffer serves the whole blob.
            self.current = Bytes::new();
            self.current = piece.read(&self.buffers)?;
        }
        Ok(&self.current)
    }

    fn consume(&mut self, amount: usize) {
        self.current.advance(amount.min(self.current.len()));
    }
}

impl Read for RunReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}
