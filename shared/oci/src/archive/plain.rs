//! From a tar, compressed or not, to a plain one that can be read at any place.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::{ArchiveError, Caps};

/// The largest zstd window, as a power of two: 64 MiB.
const ZSTD_WINDOW_LOG: u32 = 26;

/// What the first bytes of a file say.
#[derive(Debug, PartialEq, Eq)]
enum Format {
    Plain,
    Gzip,
    Zstd,
    Unreadable(&'static str),
}

fn sniff(start: &[u8]) -> Format {
    match start {
        [0x1f, 0x8b, ..] => Format::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Unreadable("xz"),
        [b'B', b'Z', b'h', ..] => Format::Unreadable("bzip2"),
        [b'P', b'K', 3, 4, ..] => Format::Unreadable("zip"),
        _ => Format::Plain,
    }
}

/// The plain tar of `file`: the file itself, or a temporary one in `scratch` without a name.
pub(super) fn plain(mut file: File, scratch: &Path, caps: &Caps) -> Result<File, ArchiveError> {
    let unreadable = |e| ArchiveError::io("the archive cannot be read", e);
    let mut start = Vec::new();
    (&mut file).take(8).read_to_end(&mut start).map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    match sniff(&start) {
        Format::Plain => Ok(file),
        Format::Gzip => {
            inflate(MultiGzDecoder::new(BufReader::with_capacity(128 << 10, file)), scratch, caps)
        }
        Format::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(file).map_err(unreadable)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(unreadable)?;
            inflate(decoder, scratch, caps)
        }
        Format::Unreadable(name) => {
            let why = format!("{name} is not supported; an archive is a tar, plain or with gzip or zstd");
            Err(ArchiveError::Unsupported(why))
        }
    }
}

fn inflate(mut from: impl Read, scratch: &Path, caps: &Caps) -> Result<File, ArchiveError> {
    let full = |e| ArchiveError::io("the unpacked archive cannot be written", e);
    let mut to = tempfile::tempfile_in(scratch).map_err(full)?;
    let mut buffer = vec![0; 256 << 10];
    let mut written = 0u64;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(ArchiveError::Invalid(format!("its compression is damaged ({e})"))),
        };
        written += read as u64;
        // Before writing: the disk never holds more than the cap.
        if written > caps.plain_bytes {
            return Err(ArchiveError::TooLarge(format!(
                "it unpacks to more than {} bytes",
                caps.plain_bytes
            )));
        }
        to.write_all(buffer.get(..read).unwrap_or_default()).map_err(full)?;
    }
    to.seek(SeekFrom::Start(0)).map_err(full)?;
    Ok(to)
}
