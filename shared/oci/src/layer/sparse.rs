//! Sparse files: GNU's old headers, and PAX 0.0, 0.1 and 1.0. They are expanded to plain content.

use super::LayerError;
use super::header::{BLOCK, Header, number};
use super::pax::{Pax, decimal};
use super::stream::Stream;
use crate::limits::Limits;

/// Where the stored bytes of a sparse file belong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Map {
    /// Offset and length of each piece, ascending.
    pub(super) pieces: Vec<(u64, u64)>,
    /// Bytes of the whole file.
    pub(super) size: u64,
}

pub(super) fn invalid() -> LayerError {
    LayerError::new("tar.sparse_invalid", "A sparse file's map is malformed.")
}

impl Map {
    /// Checks that the pieces ascend, stay inside, and are as many bytes as are stored.
    fn new(pieces: Vec<(u64, u64)>, size: u64, stored: u64) -> Result<Self, LayerError> {
        let (mut end, mut sum) = (0u64, 0u64);
        for (offset, length) in &pieces {
            if *offset < end {
                return Err(invalid());
            }
            end = offset.checked_add(*length).ok_or_else(invalid)?;
            sum = sum.checked_add(*length).ok_or_else(invalid)?;
        }
        if end > size || sum != stored {
            return Err(invalid());
        }
        Ok(Self { pieces, size })
    }
}

/// The map of an old GNU sparse header (type `S`); further maps follow it in blocks of their own.
pub(super) fn gnu(
    header: &Header,
    pax: &Pax,
    stored: u64,
    stream: &mut Stream,
    limits: &Limits,
) -> Result<Map, LayerError> {
    // Two maps would be two contents.
    if pax.is_sparse() {
        return Err(invalid());
    }
    let unsigned = |field: &[u8]| match number(field) {
        Some(Some(value)) => u64::try_from(value).map(Some).map_err(|_| invalid()),
        Some(None) => Ok(None),
        None => Err(invalid()),
    };
    let mut pieces = Vec::new();
    let mut take = |table: &[u8]| -> Result<(), LayerError> {
        for piece in table.chunks_exact(24) {
            let (offset, length) = piece.split_at(12);
            if let (Some(offset), Some(length)) = (unsigned(offset)?, unsigned(length)?)
                && (length > 0 || offset > 0)
            {
                pieces.push((offset, length));
            }
        }
        if pieces.len() > limits.sparse { Err(invalid()) } else { Ok(()) }
    };
    take(header.field(386, 96))?;
    let mut more = header.field(482, 1) != b"\0";
    while more {
        let mut block = [0; BLOCK];
        stream.exact(&mut block)?;
        take(block.get(..504).unwrap_or_default())?;
        more = block.get(504).is_some_and(|flag| *flag != 0);
    }
    let size = unsigned(header.field(483, 12))?.ok_or_else(invalid)?;
    Map::new(pieces, size, stored)
}

/// The map that PAX records tell of, if they do. PAX 1.0 keeps it at the head of the data, whose size it shrinks.
pub(super) fn pax(
    pax: &Pax,
    stored: &mut u64,
    stream: &mut Stream,
    limits: &Limits,
) -> Result<Option<Map>, LayerError> {
    let number = |key: &str| pax.number(key).map_err(|_| invalid());
    if pax.get("GNU.sparse.major") == Some(b"1") {
        let size = number("GNU.sparse.realsize")?.ok_or_else(invalid)?;
        let pieces = head(stored, stream, limits)?;
        return Map::new(pieces, size, *stored).map(Some);
    }
    let Some(size) = number("GNU.sparse.size")? else {
        // A map that is not known, or a half one: its bytes must not pass for content.
        return if pax.is_sparse() { Err(invalid()) } else { Ok(None) };
    };
    let numbers: Vec<u64> = match pax.get("GNU.sparse.map") {
        Some(b"") => Vec::new(),
        Some(map) => map.split(|b| *b == b',').map(decimal).collect::<Option<_>>().ok_or_else(invalid)?,
        None => pax.pieces.clone(),
    };
    if !numbers.len().is_multiple_of(2) || numbers.len() / 2 > limits.sparse {
        return Err(invalid());
    }
    let pieces = numbers.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect();
    Map::new(pieces, size, *stored).map(Some)
}

/// PAX 1.0: a count, then offset and length of each, one decimal number a line, padded to a block.
fn head(stored: &mut u64, stream: &mut Stream, limits: &Limits) -> Result<Vec<(u64, u64)>, LayerError> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut digits: Vec<u8> = Vec::new();
    let mut wanted = 1;
    while numbers.len() < wanted {
        *stored = stored.checked_sub(BLOCK as u64).ok_or_else(invalid)?;
        let mut block = [0; BLOCK];
        stream.exact(&mut block)?;
        for byte in block {
            if numbers.len() == wanted {
                break;
            }
            if byte != b'\n' {
                digits.push(byte);
                if digits.len() > 20 {
                    return Err(invalid());
                }
                continue;
            }
            let value = decimal(&std::mem::take(&mut digits)).ok_or_else(invalid)?;
            if numbers.is_empty() {
                let count = usize::try_from(value)
                    .ok()
                    .filter(|count| *count <= limits.sparse)
                    .ok_or_else(invalid)?;
                wanted = 1 + count * 2;
            }
            numbers.push(value);
        }
    }
    let pieces = numbers.get(1..).unwrap_or_default();
    Ok(pieces.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect())
}
