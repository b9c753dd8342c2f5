//! The uncompressed bytes of a layer: counted, bounded and hashed as they pass.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::{LayerError, Source, decompress};
use crate::limits::Budget;

/// The uncompressed bytes.
pub(super) struct Stream {
    source: Source,
    /// None for what is no layer of its own: its digest is nobody's.
    hash: Option<Sha256>,
    budget: Budget,
    count: u64,
    waste: Vec<u8>,
}

impl Stream {
    pub(super) fn new(source: Source, budget: Budget) -> Self {
        Self { source, hash: Some(Sha256::new()), budget, count: 0, waste: Vec::new() }
    }

    /// The same, and nobody asks for a digest.
    pub(super) fn unhashed(source: Source, budget: Budget) -> Self {
        Self { hash: None, ..Self::new(source, budget) }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Some bytes; 0 only at the end.
    pub(super) fn some(&mut self, into: &mut [u8]) -> Result<usize, LayerError> {
        loop {
            match self.source.read(into) {
                Ok(read) => {
                    self.count += read as u64;
                    if !self.budget.bytes(read as u64) {
                        return Err(too_large());
                    }
                    if let Some(hash) = &mut self.hash {
                        hash.update(into.get(..read).unwrap_or_default());
                    }
                    return Ok(read);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(decompress::failed(e)),
            }
        }
    }

    /// Fills the buffer, or answers how much there was before the end.
    pub(super) fn fill(&mut self, into: &mut [u8]) -> Result<usize, LayerError> {
        let mut have = 0;
        while let Some(rest) = into.get_mut(have..).filter(|rest| !rest.is_empty()) {
            match self.some(rest)? {
                0 => break,
                read => have += read,
            }
        }
        Ok(have)
    }

    /// Fills the buffer; less is a cut archive.
    pub(super) fn exact(&mut self, into: &mut [u8]) -> Result<(), LayerError> {
        if self.fill(into)? == into.len() { Ok(()) } else { Err(truncated()) }
    }

    /// Passes over bytes.
    pub(super) fn skip(&mut self, mut bytes: u64) -> Result<(), LayerError> {
        // Most often there is nothing, and a buffer for each entry would cost more than its header.
        let mut waste = std::mem::take(&mut self.waste);
        while bytes > 0 {
            waste.resize(64 << 10, 0);
            let most = usize::try_from(bytes).unwrap_or(usize::MAX).min(waste.len());
            let part = waste.get_mut(..most).unwrap_or_default();
            self.exact(part)?;
            bytes -= most as u64;
        }
        self.waste = waste;
        Ok(())
    }

    /// Reads to the very end, since the diff_id is over all bytes. Was anything but zeros left?
    pub(super) fn drain(&mut self) -> Result<bool, LayerError> {
        let mut waste = vec![0; 64 << 10];
        let mut odd = false;
        loop {
            let read = self.some(&mut waste)?;
            if read == 0 {
                return Ok(odd);
            }
            odd |= waste.get(..read).unwrap_or_default().iter().any(|b| *b != 0);
        }
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        self.hash.clone().unwrap_or_default().finalize().into()
    }
}

pub(super) fn truncated() -> LayerError {
    LayerError::new("tar.truncated", "A layer ends in the middle of an entry.")
}

pub(super) fn too_large() -> LayerError {
    LayerError::new("layer.too_large", "The image's layers hold more bytes than the factory's limit allows.")
}
