//! The inside of a kept log block: JSON lines, compressed. `logbook` writes them, readers of logs read them.

use std::io::Read;

use model::log::{Batch, Kept};

/// A block never unpacks to more than this, by far: a batch holds a good MiB with each byte escaped.
const MOST: u64 = 64 * 1024 * 1024;

/// The body of a block for the lines of a batch from `skip` on; the first gets the offset `first`.
pub fn encode(batch: &Batch, skip: usize, first: i64) -> Vec<u8> {
    let mut text = Vec::new();
    for (place, line) in (0i64..).zip(batch.lines.iter().skip(skip)) {
        let kept =
            Kept { offset: first + place, attempt: batch.attempt, stage: batch.stage, line: line.clone() };
        // These types always have a JSON form.
        if serde_json::to_writer(&mut text, &kept).is_ok() {
            text.push(b'\n');
        }
    }
    zstd::bulk::compress(&text, 3).unwrap_or(text)
}

/// The lines of a block.
///
/// # Errors
/// When it is not one that [`encode`] made.
pub fn decode(body: &[u8]) -> std::io::Result<Vec<Kept>> {
    let mut text = Vec::new();
    zstd::Decoder::new(body)?.take(MOST).read_to_end(&mut text)?;
    let lines = serde_json::Deserializer::from_slice(&text).into_iter::<Kept>();
    lines.collect::<Result<_, _>>().map_err(std::io::Error::other)
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
        let kept = decode(&encode(&batch, 1, 40)).unwrap();
        assert_eq!(kept.len(), 2);
        assert_eq!((kept[0].offset, kept[0].line.line.as_str()), (40, "a\u{1b}[31m"));
        assert_eq!((kept[1].offset, kept[1].attempt), (41, 2));
        assert!(decode(b"other").is_err());
    }
}
