//! Byte ranges (RFC 9110 section 14).

use std::ops::Range;

/// More ranges than this in one request are answered with the whole.
const MOST: usize = 1024;

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing, or something that may be ignored: the whole.
    Whole,
    /// These bytes, in this order.
    Parts(Vec<Range<u64>>),
    /// Nothing that is there.
    Unsatisfiable,
}

/// Understands a `Range` header for something of `size` bytes.
pub(super) fn parse(header: &str, size: u64) -> Asked {
    let Some(set) = header.strip_prefix("bytes=") else { return Asked::Whole };
    let mut parts = Vec::new();
    for spec in set.split(',') {
        let Some((from, to)) = spec.trim().split_once('-') else { return Asked::Whole };
        let part = match (from.trim(), to.trim()) {
            ("", "") => return Asked::Whole,
            ("", last) => last.parse().ok().map(|last: u64| size.saturating_sub(last)..size),
            (from, "") => from.parse().ok().map(|from| from..size),
            (from, to) => match (from.parse::<u64>(), to.parse::<u64>()) {
                (Ok(from), Ok(to)) if from <= to => Some(from..to.saturating_add(1).min(size)),
                _ => None,
            },
        };
        let Some(part) = part else { return Asked::Whole };
        if part.start < part.end {
            parts.push(part);
        }
        if parts.len() > MOST {
            return Asked::Whole;
        }
    }
    if parts.is_empty() { Asked::Unsatisfiable } else { Asked::Parts(parts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let parts =
            |ranges: &[(u64, u64)]| Asked::Parts(ranges.iter().map(|(from, to)| *from..*to).collect());
        assert_eq!(parse("bytes=0-9", 100), parts(&[(0, 10)]));
        assert_eq!(parse("bytes=90-", 100), parts(&[(90, 100)]));
        assert_eq!(parse("bytes=-10", 100), parts(&[(90, 100)]));
        assert_eq!(parse("bytes=-1000", 100), parts(&[(0, 100)]));
        assert_eq!(parse("bytes=95-1000", 100), parts(&[(95, 100)]));
        assert_eq!(parse("bytes=0-0, 5-6,200-", 100), parts(&[(0, 1), (5, 7)]));
        assert_eq!(parse("bytes=0-18446744073709551615", 100), parts(&[(0, 100)]));
        assert_eq!(parse("bytes=100-", 100), Asked::Unsatisfiable);
        assert_eq!(parse("bytes=-0", 100), Asked::Unsatisfiable);
        for ignored in
            ["", "lines=1-2", "bytes=", "bytes=-", "bytes=5", "bytes=9-5", "bytes=a-b", "bytes=1-2,x"]
        {
            assert_eq!(parse(ignored, 100), Asked::Whole, "{ignored}");
        }
        assert_eq!(parse(&format!("bytes={}", vec!["0-0"; 2000].join(",")), 100), Asked::Whole);
    }
}
