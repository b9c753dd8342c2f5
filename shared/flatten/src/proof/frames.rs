//! Where headers end and contents begin, in what Platen writes: ustar headers, PAX headers before some, octal sizes.

use oci::layer::LayerError;

use super::invalid;
use crate::write::BIG;

const BLOCK: usize = 512;

/// A part of a batch.
pub(super) enum Frame<'a> {
    /// An entry: its header blocks, and its content where that is in the batch.
    Entry { head: &'a [u8], content: Option<&'a [u8]> },
    /// The end of the archive.
    End { zeros: &'a [u8] },
}

/// The parts of a batch, in order.
pub(super) struct Frames<'a> {
    plain: &'a [u8],
    at: usize,
    /// A large file's header, or the end of the archive, came: nothing may follow.
    closed: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn of(plain: &'a [u8]) -> Self {
        Self { plain, at: 0, closed: false }
    }

    fn block(&self, at: usize) -> Result<&'a [u8], LayerError> {
        self.plain.get(at..at + BLOCK).ok_or_else(|| invalid("it ends in the middle of a block"))
    }

    fn frame(&mut self) -> Result<Frame<'a>, LayerError> {
        if self.closed {
            return Err(invalid("something follows where nothing may"));
        }
        let from = self.at;
        let first = self.block(from)?;
        if first.iter().all(|byte| *byte == 0) {
            self.closed = true;
            let zeros = self.plain.get(from..).unwrap_or_default();
            self.at = self.plain.len();
            let whole = zeros.len() == 2 * BLOCK && zeros.iter().all(|byte| *byte == 0);
            return if whole { Ok(Frame::End { zeros }) } else { Err(invalid("its end is none")) };
        }
        let (mut header, mut at) = (first, from + BLOCK);
        let mut told = None;
        while kind(header) == b'x' {
            let data = self.data(at, size(header)?)?;
            told = pax_size(data).or(told);
            at += data.len().next_multiple_of(BLOCK);
            header = self.block(at)?;
            at += BLOCK;
        }
        let head = self.plain.get(from..at).unwrap_or_default();
        let size = if kind(header) == b'0' { told.map_or_else(|| size(header), Ok)? } else { 0 };
        if size >= BIG {
            (self.at, self.closed) = (at, true);
            return Ok(Frame::Entry { head, content: None });
        }
        let content = self.data(at, size)?;
        self.at = at + content.len().next_multiple_of(BLOCK);
        let padding = self.plain.get(at + content.len()..self.at).filter(|p| p.iter().all(|byte| *byte == 0));
        padding.ok_or_else(|| invalid("a content is not padded with zeros"))?;
        Ok(Frame::Entry { head, content: Some(content) })
    }

    fn data(&self, at: usize, size: u64) -> Result<&'a [u8], LayerError> {
        let size = usize::try_from(size).ok().and_then(|size| at.checked_add(size));
        size.and_then(|end| self.plain.get(at..end)).ok_or_else(|| invalid("a content is cut off"))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, LayerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.plain.len() {
            return None;
        }
        let frame = self.frame();
        if frame.is_err() {
            self.at = self.plain.len();
        }
        Some(frame)
    }
}

fn kind(header: &[u8]) -> u8 {
    header.get(156).copied().unwrap_or(0)
}

/// Eleven octal digits.
fn size(header: &[u8]) -> Result<u64, LayerError> {
    let digits = header.get(124..135).unwrap_or_default();
    let octal = digits.iter().try_fold(0u64, |sum, digit| match digit {
        b'0'..=b'7' => Some(sum * 8 + u64::from(digit - b'0')),
        _ => None,
    });
    octal.ok_or_else(|| invalid("a size is no octal number"))
}

/// The size that PAX records tell, if one does.
fn pax_size(mut data: &[u8]) -> Option<u64> {
    let mut told = None;
    while let Some(space) = data.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(data.get(..space)?).ok()?.parse().ok()?;
        let record = data.get(space + 1..length)?;
        if let Some(value) = record.strip_prefix(b"size=") {
            told = std::str::from_utf8(value).ok()?.trim_end().parse().ok();
        }
        data = data.get(length..).filter(|rest| rest.len() < data.len())?;
    }
    told
}
