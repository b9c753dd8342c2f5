//! One level of compression, told by the first bytes: media types lie, the diff_id does not.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::{LayerError, Source};

/// Marks errors of the source, so that they are not taken for those of a decoder.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct InputFailed(pub io::Error);

struct Input<R>(R);

impl<R: Read> Read for Input<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into).map_err(|e| {
            if e.kind() == io::ErrorKind::Interrupted { e } else { io::Error::new(e.kind(), InputFailed(e)) }
        })
    }
}

type Peeked<R> = BufReader<Chain<Cursor<Vec<u8>>, Input<R>>>;

/// What is compressed with gzip, zstd or not at all, as it was before. Nothing is allocated that a header asks for, but for a zstd
/// window within the limit, a base-2 logarithm.
///
/// # Errors
/// `layer.media_type` when it is compressed in another way.
pub fn open<R: Read + Send + 'static>(input: R, zstd_window: u32) -> Result<Source, LayerError> {
    let mut input = Input(input);
    let mut head = vec![0; 6];
    let mut have = 0;
    while let Some(rest) = head.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(e)),
        }
    }
    head.truncate(have);
    let kind = head.clone();
    let peeked: Peeked<R> = BufReader::with_capacity(128 << 10, Cursor::new(head).chain(input));
    match kind.as_slice() {
        // All members of a gzip file are read: a reader of one would lose data silently.
        [0x1f, 0x8b, ..] => Ok(Box::new(MultiGzDecoder::new(peeked))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(peeked).map_err(LayerError::input)?;
            decoder.window_log_max(zstd_window).map_err(LayerError::input)?;
            Ok(Box::new(decoder))
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Err(unknown("xz")),
        [b'B', b'Z', b'h', ..] => Err(unknown("bzip2")),
        _ => Ok(Box::new(peeked)),
    }
}

fn unknown(kind: &str) -> LayerError {
    LayerError::new(
        "layer.media_type",
        format!("A layer is compressed with {kind}; tar, gzip and zstd can be read."),
    )
}

/// What an error while reading means.
pub(super) fn failed(error: io::Error) -> LayerError {
    if error.get_ref().is_some_and(|inner| inner.is::<InputFailed>()) {
        let inner = error.into_inner().and_then(|inner| inner.downcast::<InputFailed>().ok());
        return LayerError::input(inner.map_or_else(|| io::Error::other("lost"), |inner| inner.0));
    }
    if error.to_string().contains("too much memory") {
        return LayerError::caused(
            "layer.window",
            "A layer needs a larger zstd window than is allowed.",
            error,
        );
    }
    LayerError::caused("layer.decompress", "A layer's compression is damaged or cut off.", error)
}
