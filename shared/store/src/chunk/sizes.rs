//! Chunk sizes, for batches of small files and for pieces of large ones alike.

use crate::Error;

/// How large chunks are, in bytes of plain content.
///
/// Smaller chunks share more between revisions and compress worse: around 1 MiB costs a few percent over one
/// stream and lets a small revision add well under 1 MB. Changing them only lowers sharing with what was stored
/// before; everything stays readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSizes {
    /// No chunk ends by content before this. Files of at least this size are to be given to `LayerWriter::big`.
    pub min: usize,
    /// The size aimed at.
    pub average: usize,
    /// A chunk ends here whatever its content.
    pub max: usize,
}

impl ChunkSizes {
    /// The bounds are those of FastCDC, whose cut masks exist for 256 bytes to 4 MiB only.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let ChunkSizes { min, average, max } = *self;
        let fits = (64..=1 << 20).contains(&min)
            && (256..=4 << 20).contains(&average)
            && (1024..=16 << 20).contains(&max)
            && min < average
            && average < max
            && [min, average, max].iter().all(|size| size.is_multiple_of(2));
        let wrong = || format!("chunk sizes {min}, {average}, {max}: even, growing, at most 1, 4 and 16 MiB");
        if fits { Ok(()) } else { Err(Error::Setting(wrong())) }
    }
}

impl Default for ChunkSizes {
    /// 256 KiB, 1 MiB, 4 MiB.
    fn default() -> ChunkSizes {
        ChunkSizes { min: 256 << 10, average: 1 << 20, max: 4 << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_cannot_work_are_refused() {
        assert!(ChunkSizes::default().check().is_ok());
        for (min, average, max) in [(0, 1024, 4096), (512, 512, 4096), (512, 4096, 4096), (511, 1024, 4096)] {
            assert_eq!(ChunkSizes { min, average, max }.check().unwrap_err().code(), "store.setting");
        }
        assert!(ChunkSizes { min: 1 << 20, average: 8 << 20, max: 16 << 20 }.check().is_err());
    }
}
