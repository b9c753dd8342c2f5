//! Writing tar entries: ustar headers, PAX records only where a header cannot hold something.

use oci::layer::{Meta, Time};
use tar::{EntryType, Header};

use crate::index::What;

/// A regular file of this many bytes or more is stored on its own, in chunks that hold nothing else.
pub const BIG: u64 = 256 * 1024;

/// What a header says.
pub(crate) struct Head<'a> {
    pub(crate) path: &'a [u8],
    pub(crate) what: What<'a>,
    pub(crate) meta: &'a Meta,
}

/// The largest number in an octal field of seven and of eleven digits.
const SMALL: u64 = 0o777_7777;
const LARGE: u64 = 0o777_7777_7777;

impl Head<'_> {
    /// The header blocks of an entry, PAX first where needed.
    pub(crate) fn blocks(&self) -> Vec<u8> {
        let mut pax = Vec::new();
        let mut header = Header::new_ustar();
        let (kind, size, link, device) = parts(self.what);
        header.set_entry_type(kind);
        // Directories end with a slash, for readers that look there.
        let mut path = if self.path.is_empty() { b"./".to_vec() } else { self.path.to_vec() };
        if kind == EntryType::Directory && !path.ends_with(b"/") {
            path.push(b'/');
        }
        put_text(&mut header, 0, 100, &path, "path", &mut pax);
        put_text(&mut header, 157, 100, link, "linkpath", &mut pax);
        header.set_mode(self.meta.mode);
        header.set_uid(small(self.meta.uid.into(), "uid", &mut pax));
        header.set_gid(small(self.meta.gid.into(), "gid", &mut pax));
        header.set_size(if size > LARGE {
            record(&mut pax, b"size", size.to_string().as_bytes())
        } else {
            size
        });
        header.set_mtime(mtime(self.meta.mtime, &mut pax));
        if let Some((major, minor)) = device {
            // Linux's device numbers fit into these fields; the layer reader refuses larger ones.
            let _ = header.set_device_major(major);
            let _ = header.set_device_minor(minor);
        }
        header.set_cksum();
        for (name, value) in self.meta.xattrs.iter().filter(|xattr| self.writes(xattr)) {
            record(&mut pax, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        let mut blocks = Vec::with_capacity(512);
        if !pax.is_empty() {
            blocks.extend_from_slice(extension(pax.len()).as_bytes());
            blocks.extend_from_slice(&pax);
            blocks.resize(blocks.len().next_multiple_of(512), 0);
        }
        blocks.extend_from_slice(header.as_bytes());
        blocks
    }
}

impl Head<'_> {
    /// An inode's attributes stand with its first name: with every link they would make gigabytes of kilobytes. But
    /// extractors change the owner with each link, at which a kernel takes capabilities away: these are told again. No
    /// kernel takes one of more than 24 bytes.
    fn writes(&self, (name, value): &(Vec<u8>, Vec<u8>)) -> bool {
        !matches!(self.what, What::Hardlink(_)) || (name == b"security.capability" && value.len() <= 24)
    }
}

type Parts<'a> = (EntryType, u64, &'a [u8], Option<(u32, u32)>);

fn parts(what: What<'_>) -> Parts<'_> {
    match what {
        What::File(content) => (EntryType::Regular, content.size, b"", None),
        What::Symlink(target) => (EntryType::Symlink, 0, target, None),
        What::Hardlink(target) => (EntryType::Link, 0, target, None),
        What::Char(major, minor) => (EntryType::Char, 0, b"", Some((major, minor))),
        What::Block(major, minor) => (EntryType::Block, 0, b"", Some((major, minor))),
        What::Fifo => (EntryType::Fifo, 0, b"", None),
        // Markers never get here; a directory would be harmless.
        What::Dir | What::Whiteout | What::Opaque => (EntryType::Directory, 0, b"", None),
    }
}

fn extension(size: usize) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    put_text(&mut header, 0, 100, b"PaxHeaders/entry", "path", &mut Vec::new());
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size as u64);
    header.set_cksum();
    header
}

fn put_text(header: &mut Header, from: usize, length: usize, text: &[u8], key: &str, pax: &mut Vec<u8>) {
    if text.len() > length {
        record(pax, key.as_bytes(), text);
    }
    let short = text.get(..length.min(text.len())).unwrap_or_default();
    if let Some(field) = header.as_mut_bytes().get_mut(from..from + short.len()) {
        field.copy_from_slice(short);
    }
}

fn small(number: u64, key: &str, pax: &mut Vec<u8>) -> u64 {
    if number > SMALL { record(pax, key.as_bytes(), number.to_string().as_bytes()) } else { number }
}

fn mtime(time: Time, pax: &mut Vec<u8>) -> u64 {
    let whole = u64::try_from(time.seconds).ok().filter(|seconds| *seconds <= LARGE);
    match (whole, time.nanos) {
        (Some(seconds), 0) => seconds,
        _ => {
            record(pax, b"mtime", decimal(time).as_bytes());
            whole.unwrap_or(0)
        }
    }
}

fn decimal(time: Time) -> String {
    let (sign, seconds, nanos) = match (time.seconds < 0, time.nanos) {
        (false, nanos) => ("", time.seconds.unsigned_abs(), nanos),
        (true, 0) => ("-", time.seconds.unsigned_abs(), 0),
        (true, nanos) => ("-", (time.seconds + 1).unsigned_abs(), 1_000_000_000 - nanos),
    };
    let text = format!("{sign}{seconds}.{nanos:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `<length> <key>=<value>\n`, where the length counts its own digits. Answers 0, for the field that gave way.
fn record(pax: &mut Vec<u8>, key: &[u8], value: &[u8]) -> u64 {
    let rest = 3 + key.len() + value.len();
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    pax.extend_from_slice(length.to_string().as_bytes());
    pax.push(b' ');
    pax.extend_from_slice(key);
    pax.push(b'=');
    pax.extend_from_slice(value);
    pax.push(b'\n');
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_themselves() {
        for length in [1, 2, 3, 80, 88, 89, 90, 91, 92, 980, 985, 990, 999] {
            let mut pax = Vec::new();
            record(&mut pax, b"path", &vec![b'a'; length]);
            let said: usize = String::from_utf8_lossy(&pax).split(' ').next().unwrap().parse().unwrap();
            assert_eq!(said, pax.len(), "{length}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        let at = |seconds, nanos| decimal(Time { seconds, nanos });
        assert_eq!(at(5, 500_000_000), "5.5");
        assert_eq!(at(-2, 500_000_000), "-1.5");
        assert_eq!(at(-1, 500_000_000), "-0.5");
        assert_eq!(at(-3, 0), "-3");
        assert_eq!(at(10, 1), "10.000000001");
    }
}
