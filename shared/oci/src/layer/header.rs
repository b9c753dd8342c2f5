//! One header block: fields, numbers, checksum (IEEE Std 1003.1, `pax`, "ustar Interchange Format").

use super::LayerError;

pub(super) const BLOCK: usize = 512;

/// Which dialect wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    V7,
    Ustar,
    Gnu,
}

/// A header block that has the right checksum.
pub(super) struct Header {
    block: [u8; BLOCK],
    pub(super) dialect: Dialect,
}

impl Header {
    /// Checks a block. `first` tells whether anything before it was an archive.
    pub(super) fn parse(block: [u8; BLOCK], first: bool) -> Result<Self, LayerError> {
        let dialect = match block.get(257..265) {
            Some(b"ustar  \0") => Dialect::Gnu,
            Some([b'u', b's', b't', b'a', b'r', ..]) => Dialect::Ustar,
            _ => Dialect::V7,
        };
        let header = Self { block, dialect };
        if !header.sums() {
            return Err(if first && dialect == Dialect::V7 {
                LayerError::new("tar.invalid", "A layer is not a tar archive.")
            } else {
                LayerError::new("tar.checksum", "A header's checksum is wrong.")
            });
        }
        Ok(header)
    }

    pub(super) fn field(&self, from: usize, length: usize) -> &[u8] {
        self.block.get(from..from + length).unwrap_or_default()
    }

    /// Text up to the first NUL.
    pub(super) fn text(&self, from: usize, length: usize) -> &[u8] {
        let field = self.field(from, length);
        field.split(|b| *b == 0).next().unwrap_or_default()
    }

    pub(super) fn kind(&self) -> u8 {
        self.block.get(156).copied().unwrap_or(0)
    }

    /// Some writers summed signed bytes.
    fn sums(&self) -> bool {
        let Some(Some(said)) = number(self.field(148, 8)) else { return false };
        let (mut plain, mut signed) = (0i64, 0i64);
        for (place, byte) in self.block.iter().enumerate() {
            let byte = if (148..156).contains(&place) { b' ' } else { *byte };
            plain += i64::from(byte);
            signed += i64::from(byte.cast_signed());
        }
        i128::from(plain) == said || i128::from(signed) == said
    }

    /// A number, 0 when the field is empty.
    pub(super) fn number(&self, from: usize, length: usize) -> Option<i128> {
        number(self.field(from, length)).map(Option::unwrap_or_default)
    }
}

/// Octal text, or base 256 when the first bit is set (GNU, star). The outer `None` is no number, the inner an empty
/// field.
pub(super) fn number(field: &[u8]) -> Option<Option<i128>> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => {
            let negative = first & 0x40 != 0;
            let mut value: i128 = if negative { -1 } else { 0 };
            for (place, byte) in field.iter().enumerate() {
                let byte = if place == 0 && !negative { byte & 0x7f } else { *byte };
                // At most twelve bytes: no overflow.
                value = (value << 8) | i128::from(byte);
            }
            Some(Some(value))
        }
        _ => {
            let text = field.split(|b| *b == 0).next().unwrap_or_default().trim_ascii();
            if text.is_empty() {
                return Some(None);
            }
            text.iter()
                .try_fold(0i128, |value, byte| match byte {
                    b'0'..=b'7' => Some(value * 8 + i128::from(byte - b'0')),
                    _ => None,
                })
                .map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number(b"0000644\0"), Some(Some(0o644)));
        assert_eq!(number(b"   644 \0"), Some(Some(0o644)));
        assert_eq!(number(b"\0\0\0"), Some(None));
        assert_eq!(number(b"0000648\0"), None);
        assert_eq!(number(b"-1\0"), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0x30, 0, 0]), Some(Some(0x30_0000)));
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]), Some(Some(-2)));
    }
}
