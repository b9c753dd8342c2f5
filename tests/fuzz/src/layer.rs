//! The layer reader: any bytes, plain or in gzip or zstd.

use std::io::{Cursor, Read};

use oci::layer::{Ended, Entry, Kind, LayerReader};
use oci::limits::{Budget, Limits};

use super::{assert_code, mend::mended};

type Found = Result<(Vec<(Entry, Vec<u8>)>, Ended), &'static str>;

/// Reads a layer; the first byte tells whether its checksums are mended. What is read keeps its promises, and does not
/// depend on how the bytes arrive.
pub fn layer(data: &[u8]) {
    let Some((how, data)) = data.split_first() else { return };
    let data = if how & 1 == 1 { mended(data) } else { data.to_vec() };
    let whole = read(Cursor::new(data.clone()));
    if how & 2 == 2 {
        let slowly = read(Trickle(Cursor::new(data)));
        // What is damaged is refused, but a decoder that gets more at once sees damage before the reader sees what came
        // out of it.
        let damaged = |found: &Found| *found == Err("layer.decompress");
        if !(whole.is_err() && slowly.is_err() && (damaged(&whole) || damaged(&slowly))) {
            assert_eq!(slowly, whole, "however the bytes arrive");
        }
    }
    let Ok((entries, _)) = whole else { return };
    for (entry, content) in entries {
        let names: Vec<&[u8]> = entry.path.split(|byte| *byte == b'/').collect();
        assert!(entry.path.is_empty() || !names.iter().any(|name| matches!(*name, b"" | b"." | b"..")));
        let names = if entry.kind == Kind::Whiteout { &names[..names.len() - 1] } else { &names[..] };
        assert!(!names.iter().any(|name| name.starts_with(b".wh.")), "a marker is a name");
        assert!(entry.meta.mode <= 0o7777 && entry.meta.mtime.nanos < 1_000_000_000);
        assert!(entry.meta.xattrs.is_sorted());
        if let Kind::File(size) = entry.kind {
            assert_eq!(content.len() as u64, size, "a file has as many bytes as it says");
        }
    }
}

fn limits() -> Limits {
    Limits { bytes: 4 << 20, entries: 500, pax: 64 << 10, sparse: 500, zstd_window: 20, ..Limits::default() }
}

fn read(input: impl Read + Send + 'static) -> Found {
    let refused = |error: oci::layer::LayerError| {
        assert_code(error.code());
        assert!(error.is_permanent() && !error.to_string().is_empty());
        error.code()
    };
    let mut reader = LayerReader::open(input, Budget::new(limits())).map_err(refused)?;
    let mut found = Vec::new();
    let mut bytes = 0;
    while let Some(entry) = reader.next_entry().map_err(refused)? {
        let mut content = Vec::new();
        let mut buffer = vec![0; 8 << 10];
        loop {
            match reader.read_content(&mut buffer).map_err(refused)? {
                0 => break,
                read => content.extend_from_slice(&buffer[..read]),
            }
        }
        bytes += content.len() as u64;
        assert!(bytes <= limits().bytes, "no more than allowed");
        found.push((entry, content));
    }
    assert!(found.len() as u64 <= limits().entries);
    Ok((found, reader.end().map_err(refused)?))
}

/// Bytes that come a few at a time.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = into.len().min(1 + usize::try_from(self.0.position()).unwrap_or(0) % 61);
        self.0.read(&mut into[..most])
    }
}
