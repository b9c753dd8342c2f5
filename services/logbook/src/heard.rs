//! A batch as it comes: what it must say is checked, its lines are counted, its bytes are kept as they are.

use std::borrow::Cow;
use std::io;

use chassis::logblock::Packer;
use chrono::{DateTime, FixedOffset};
use db::log::Piece;
use model::ImageId;
use model::log::{Stage, Stream};
use serde::Deserialize;

/// [`model::log::Batch`], without a copy of its lines.
#[derive(Deserialize)]
struct Heard<'a> {
    image: ImageId,
    attempt: i64,
    stage: Stage,
    seq: i64,
    #[serde(borrow)]
    lines: Vec<Line<'a>>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(rename = "stream")]
    _stream: Stream,
    #[serde(borrow, rename = "line")]
    _line: Cow<'a, str>,
}

/// What is to be kept of a message.
///
/// # Errors
/// When readers could not understand it.
pub(crate) fn piece(body: &[u8], packer: &mut Packer) -> io::Result<Piece> {
    let Heard { image, attempt, stage, seq, lines } = serde_json::from_slice(body)?;
    let mut before = "";
    for Line { time, .. } in &lines {
        // Neighbours are mostly said in the same millisecond.
        if time != before {
            DateTime::<FixedOffset>::parse_from_rfc3339(time).map_err(io::Error::other)?;
        }
        before = time;
    }
    Ok(Piece { image, attempt, stage, seq, lines: lines.len(), body: packer.pack(body)? })
}

#[cfg(test)]
mod tests {
    use model::log::Batch;

    use super::*;

    const LINE: &str = r#"{"time":"2026-01-02T03:04:05.678Z","stream":"stderr","line":"a\n\u001b[0m"}"#;

    fn message(lines: &str) -> Vec<u8> {
        let image = ImageId::new();
        format!(r#"{{"image":"{image}","attempt":1,"stage":"factory","seq":4,"lines":[{lines}],"more":1}}"#)
            .into()
    }

    #[test]
    fn what_is_kept_can_be_read() {
        let mut packer = Packer::new().unwrap();
        let body = message(&format!("{LINE},{LINE}"));
        let piece = piece(&body, &mut packer).unwrap();
        assert_eq!((piece.attempt, piece.seq, piece.lines), (1, 4, 2));
        assert!(serde_json::from_slice::<Batch>(&body).is_ok());
        assert_eq!(chassis::logblock::decode(&piece.body, 0, 2).unwrap()[1].line.line, "a\n\u{1b}[0m");
    }

    #[test]
    fn what_readers_could_not_read_is_refused() {
        let mut packer = Packer::new().unwrap();
        let wrong = [
            LINE.replace("2026-01-02", "yesterday"),
            LINE.replace("stderr", "other"),
            LINE.replace("\"line\"", "\"text\""),
        ];
        for line in wrong {
            let body = message(&format!("{LINE},{line}"));
            assert!(piece(&body, &mut packer).is_err(), "{line}");
            assert!(serde_json::from_slice::<Batch>(&body).is_err(), "{line}");
        }
        assert!(piece(b"{}", &mut packer).is_err());
    }
}
