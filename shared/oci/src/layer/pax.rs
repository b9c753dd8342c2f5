//! PAX records (IEEE Std 1003.1, `pax`, "pax Extended Header"), and what GNU and star put into them.

use std::collections::BTreeMap;

use super::{LayerError, Time};

/// The records that stand before an entry.
#[derive(Debug, Default)]
pub(super) struct Pax {
    /// The last value of each key; an empty value takes a key back.
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// `GNU.sparse.offset` and `GNU.sparse.numbytes` in turn (PAX sparse 0.0 repeats them).
    pub(super) pieces: Vec<u64>,
}

impl Pax {
    /// Adds the records of a block.
    pub(super) fn add(&mut self, mut block: &[u8]) -> Result<(), LayerError> {
        while !block.is_empty() {
            let (key, value, rest) = record(block).ok_or_else(malformed)?;
            block = rest;
            match key {
                b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                    self.pieces.push(decimal(value).ok_or_else(malformed)?);
                }
                b"path" | b"linkpath" if value.contains(&0) => {
                    return Err(LayerError::new("tar.pax_malformed", "A PAX path holds a NUL byte."));
                }
                key if value.is_empty() && !key.starts_with(XATTR) => {
                    self.values.remove(key);
                }
                key => {
                    self.values.insert(key.to_vec(), value.to_vec());
                }
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key.as_bytes()).map(Vec::as_slice)
    }

    /// A number that must be one.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, LayerError> {
        self.get(key).map(|value| decimal(value).ok_or_else(malformed)).transpose()
    }

    /// An owner: 0 to 2³²−2. The last one means "none" to the kernel, and text or more bits would be cut.
    pub(super) fn id(&self, key: &str) -> Result<Option<u32>, LayerError> {
        self.get(key).map(|value| decimal(value).and_then(owner).ok_or_else(id_range)).transpose()
    }

    pub(super) fn time(&self, key: &str) -> Result<Option<Time>, LayerError> {
        self.get(key).map(|value| time(value).ok_or_else(malformed)).transpose()
    }

    /// Is there anything about a sparse file?
    pub(super) fn is_sparse(&self) -> bool {
        !self.pieces.is_empty() || self.values.keys().any(|key| key.starts_with(b"GNU.sparse."))
    }

    /// Extended attributes in the order of their names.
    pub(super) fn xattrs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.values.iter().filter_map(|(key, value)| Some((key.strip_prefix(XATTR)?, value.as_slice())))
    }
}

const XATTR: &[u8] = b"SCHILY.xattr.";

/// `<length> <key>=<value>\n`, where the length counts itself. Values may hold anything, newlines too.
fn record(block: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = block.iter().take(20).position(|b| *b == b' ')?;
    let (digits, _) = block.split_at_checked(space)?;
    let length = usize::try_from(decimal(digits)?).ok()?;
    let (record, rest) = block.split_at_checked(length)?;
    let body = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|b| *b == b'=')?;
    let (key, value) = body.split_at_checked(equals)?;
    (!key.is_empty() && !key.contains(&0)).then_some((key, value.get(1..)?, rest))
}

/// Decimal digits and nothing else.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

pub(super) fn owner(id: u64) -> Option<u32> {
    u32::try_from(id).ok().filter(|id| *id != u32::MAX)
}

/// `[-]seconds[.fraction]`; more digits than nanoseconds are dropped.
fn time(text: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = i64::try_from(decimal(whole.as_bytes())?).unwrap_or(i64::MAX);
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos: u32 = digits.parse().ok()?;
    Some(match (negative, nanos) {
        (false, _) => Time { seconds, nanos },
        (true, 0) => Time { seconds: -seconds, nanos },
        (true, _) => Time { seconds: (-seconds).saturating_sub(1), nanos: 1_000_000_000 - nanos },
    })
}

pub(super) fn malformed() -> LayerError {
    LayerError::new("tar.pax_malformed", "A PAX header is malformed.")
}

pub(super) fn id_range() -> LayerError {
    LayerError::new("tar.id_range", "An owner or group is not a number from 0 to 4294967294.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let mut pax = Pax::default();
        pax.add(b"11 path=ab\n").unwrap();
        pax.add(b"10 path=c\n28 SCHILY.xattr.user.a=\0\n\xff=\n").unwrap();
        assert_eq!(pax.get("path"), Some(&b"c"[..]));
        assert_eq!(pax.xattrs().collect::<Vec<_>>(), [(&b"user.a"[..], &b"\0\n\xff="[..])]);
        pax.add(b"8 path=\n").unwrap();
        assert_eq!(pax.get("path"), None);
        for wrong in [
            &b"10 path=ab\n"[..],
            b"11 path=ab",
            b"x",
            b"99 path=a\n",
            b"8 pathab\n",
            b"-1 a=b\n",
            b"+6 a=b\n",
            b"6 =ab\n\n",
            b"99999999999999999999999 a=b\n",
            b"12 path=a\0b\n",
        ] {
            assert!(Pax::default().add(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn times() {
        let at = |seconds, nanos| Some(Time { seconds, nanos });
        assert_eq!(time(b"1700000000.123456789"), at(1_700_000_000, 123_456_789));
        assert_eq!(time(b"-1.5"), at(-2, 500_000_000));
        assert_eq!(time(b"-1"), at(-1, 0));
        assert_eq!(time(b"5.0000000001"), at(5, 0));
        for wrong in [&b""[..], b".", b"1.x", b"--1", b"1e9", b"+1"] {
            assert_eq!(time(wrong), None);
        }
    }
}
