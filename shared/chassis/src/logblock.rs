//! The inside of a kept log block: a batch as it came, compressed. `logbook` writes them, readers of logs read them.

use std::io::{self, Read};

use model::log::{Batch, Kept};

/// A block never unpacks to more than this, by far: a batch holds a good MiB with each byte escaped.
const MOST: u64 = 64 * 1024 * 1024;

/// Makes blocks; its context is made once.
pub struct Packer(zstd::bulk::Compressor<'static>);

impl Packer {
    /// A new one.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new() -> io::Result<Self> {
        // Logs shrink tenfold at any level; what counts is that a noisy build costs little.
        zstd::bulk::Compressor::new(1).map(Self)
    }

    /// The body of a block for the JSON of a batch.
    ///
    /// # Errors
    /// When it cannot be compressed.
    pub fn pack(&mut self, batch: &[u8]) -> io::Result<Vec<u8>> {
        self.0.compress(batch)
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packer")
    }
}

/// The kept lines of a block: the last `lines` of its batch, of which the first has the offset `first`.
///
/// # Errors
/// When it is not one that a [`Packer`] made.
pub fn decode(body: &[u8], first: i64, lines: usize) -> io::Result<Vec<Kept>> {
    let mut text = Vec::new();
    zstd::Decoder::new(body)?.take(MOST).read_to_end(&mut text)?;
    let Batch { attempt, stage, lines: all, .. } = serde_json::from_slice(&text).map_err(io::Error::other)?;
    let skip = all.len().saturating_sub(lines);
    let kept = (first..).zip(all.into_iter().skip(skip));
    Ok(kept.map(|(offset, line)| Kept { offset, attempt, stage, line }).collect())
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use model::ImageId;
    use model::log::{Line, Stage, Stream};

    use super::*;

    #[test]
    fn lines_come_back_with_their_offsets() {
        let line = |text: &str| Line { time: Utc::now(), stream: Stream::Stdout, line: text.to_owned() };
        let lines = vec![line("seen before"), line("a\u{1b}[31m"), line("")];
        let batch = Batch { image: ImageId::new(), attempt: 2, stage: Stage::Factory, seq: 7, lines };
        let body = Packer::new().unwrap().pack(&serde_json::to_vec(&batch).unwrap()).unwrap();
        let kept = decode(&body, 40, 2).unwrap();
        assert_eq!(kept.len(), 2);
        assert_eq!((kept[0].offset, kept[0].line.line.as_str()), (40, "a\u{1b}[31m"));
        assert_eq!((kept[1].offset, kept[1].attempt), (41, 2));
        assert!(decode(b"other", 0, 1).is_err());
    }
}
