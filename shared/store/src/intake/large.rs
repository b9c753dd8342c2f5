//! A large file, cut by content as it is read.

use super::{Inner, Intake};
use crate::{chunk::ChunkSizes, error::Error};
use fastcdc::v2020::FastCDC;
use std::{io::Read, sync::PoisonError};

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
        if size <= 2 * average as u64 && size <= max as u64 {
            return self.whole(content, size as usize, padding).map(|digest| vec![digest]);
        }
        let mut window = Window { bytes: self.0.window(), from: 0, to: 0, left: size };
        let mut digests = Vec::new();
        loop {
            window.fill(content, max, padding)?;
            let all = window.left == 0;
            while let rest = window.rest()
                && (rest.len() >= average || (all && !rest.is_empty()))
            {
                let length =
                    FastCDC::new(rest, min, average, max).next().map_or(rest.len(), |chunk| chunk.length);
                // A cut may not depend on bytes not yet read: one at the end of what was read is none.
                if length == rest.len() && length < max && !all {
                    break;
                }
                digests.push(self.0.part(rest.get(..length).unwrap_or(rest))?);
                window.from += length;
            }
            if all {
                self.0.give_back(window.bytes);
                return Ok(digests);
            }
        }
    }
}

impl Intake {
    /// A file of about the size of a chunk, or two, is one: cutting it would find little to share, and costs a look at every byte.
    fn whole(&self, content: &mut dyn Read, size: usize, padding: usize) -> Result<[u8; 32], Error> {
        let mut plain = self.0.buffer(size + padding).map_err(|error| self.0.fail(error))?;
        plain.resize(size, 0);
        content.read_exact(&mut plain).map_err(Error::Content)?;
        plain.resize(size + padding, 0);
        self.0.whole(plain)
    }
}

/// What was read and not cut yet: `from..to` of the bytes.
struct Window {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
    /// Bytes of the content that were not read.
    left: u64,
}

impl Window {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.from..self.to).unwrap_or_default()
    }

    /// Fills the window, of two chunks of the largest size, and a little more for the padding that follows the content.
    fn fill(&mut self, content: &mut dyn Read, max: usize, padding: usize) -> Result<(), Error> {
        self.bytes.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(2 * max - self.to.min(2 * max));
        let end = self.to + most;
        if self.bytes.len() < end + padding {
            self.bytes.resize(end + padding, 0);
        }
        content.read_exact(self.bytes.get_mut(self.to..end).unwrap_or_default()).map_err(Error::Content)?;
        (self.to, self.left) = (end, self.left - most as u64);
        if self.left == 0 {
            self.bytes.get_mut(end..end + padding).unwrap_or_default().fill(0);
            self.to += padding;
        }
        Ok(())
    }
}

impl Inner {
    /// A window, with whatever was in it: one for each thread that cuts, kept as long as the intake.
    fn window(&self) -> Vec<u8> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, window: Vec<u8>) {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).push(window);
    }
}
