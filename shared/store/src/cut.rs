//! Where chunks end: decided by content, so that equal content gives equal chunks in any image.

/// Sizes of chunks, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// A batch of headers and small files has at least this.
    pub batch_min: usize,
    /// From here on a batch ends at the next good place.
    pub batch_soft: usize,
    /// Nothing is larger.
    pub most: usize,
    /// Pieces of big files are about this.
    pub piece: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { batch_min: 192 << 10, batch_soft: 1 << 20, most: 4 << 20, piece: 2 << 20 }
    }
}

impl Sizes {
    /// May a batch of this many bytes end before the entry of this name? One name in 48 ends a batch that is large
    /// enough, one in six a batch that is getting too large: a file added or gone moves one end, not all after it.
    pub(crate) fn ends(&self, batch: usize, name: &[u8]) -> bool {
        if batch < self.batch_min {
            return false;
        }
        let hash = blake3::hash(name);
        let hash = hash.as_bytes().first_chunk::<4>().map_or(0, |b| u32::from_le_bytes(*b));
        hash.is_multiple_of(if batch < self.batch_soft { 48 } else { 6 })
    }

    /// Where the first piece of a big file's bytes ends. `data` holds at least [`Sizes::most`] bytes, or all there is.
    pub(crate) fn piece(&self, data: &[u8]) -> usize {
        if data.len() <= self.piece / 4 {
            return data.len();
        }
        let cut = fastcdc::v2020::FastCDC::new(data, self.piece / 4, self.piece, self.most).next();
        cut.map_or(data.len(), |chunk| chunk.length)
    }
}
