//! A large file, cut by content as it is read.

use super::Intake;
use crate::{chunk::ChunkSizes, error::Error};
use fastcdc::v2020::FastCDC;
use std::io::{self, Read};

/// What a tar pads contents to.
const BLOCK: u64 = 512;

impl Intake {
    /// Takes in the content of a large file, exactly `size` bytes, and the zeros that pad it to a block of a tar: so the
    /// chunks are all that stands between two headers. Answers their digests in order.
    ///
    /// # Errors
    /// `store.content` with the reader's own error if it fails or ends early, which is the caller's matter and ends nothing
    /// else; the first failure of any thread.
    pub fn large(&self, content: &mut dyn Read, size: u64) -> Result<Vec<[u8; 32]>, Error> {
        let ChunkSizes { min, average, max } = self.0.store.sizes();
        let padding = (size.next_multiple_of(BLOCK) - size) as usize;
        if size <= average as u64 {
            return self.whole(content, size as usize, padding).map(|digest| vec![digest]);
        }
        let room = (size.saturating_add(BLOCK)).min(2 * max as u64) as usize;
        let mut window = Window { bytes: Vec::with_capacity(room), left: size };
        let mut digests = Vec::new();
        loop {
            window.fill(content, 2 * max)?;
            let all = window.left == 0;
            if all {
                window.bytes.resize(window.bytes.len() + padding, 0);
            }
            let mut at = 0;
            // A cut may not depend on bytes not yet read.
            while let Some(rest) = window.bytes.get(at..)
                && (rest.len() >= max || (all && !rest.is_empty()))
            {
                let length =
                    FastCDC::new(rest, min, average, max).next().map_or(rest.len(), |chunk| chunk.length);
                digests.push(self.0.part(rest.get(..length).unwrap_or(rest))?);
                at += length;
            }
            if all {
                return Ok(digests);
            }
            window.bytes.drain(..at.min(window.bytes.len()));
        }
    }
}

impl Intake {
    /// A file of about the size of a chunk is one: cutting it would find little to share, and costs a look at every byte.
    fn whole(&self, content: &mut dyn Read, size: usize, padding: usize) -> Result<[u8; 32], Error> {
        let mut plain = self.0.buffer(size + padding).map_err(|error| self.0.fail(error))?;
        plain.resize(size, 0);
        content.read_exact(&mut plain).map_err(Error::Content)?;
        plain.resize(size + padding, 0);
        self.0.whole(plain)
    }
}

struct Window {
    bytes: Vec<u8>,
    left: u64,
}

impl Window {
    fn fill(&mut self, content: &mut dyn Read, most: usize) -> Result<(), Error> {
        let want = self.left.min(most.saturating_sub(self.bytes.len()) as u64);
        let got = content.take(want).read_to_end(&mut self.bytes).map_err(Error::Content)? as u64;
        if got < want {
            return Err(Error::Content(io::ErrorKind::UnexpectedEof.into()));
        }
        self.left -= got;
        Ok(())
    }
}
