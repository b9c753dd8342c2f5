//! Tars byte by byte: whatever a header can hold, right or wrong.
//!
//! Parts are bytes, and a tar is its parts one after the other:
//!
//! ```
//! use testkit::raw::{Header, end, file, pax};
//! let tar = [pax(&[("path", b"long")]), file("short", b"content"), Header::new("b", b'1').link("a").block(), end()];
//! assert_eq!(tar.concat().len() % 512, 0);
//! ```

use std::io::Write;

/// A header block being written: ustar, mode 0644, owner 0, time 1.
#[derive(Debug, Clone)]
pub struct Header {
    block: Vec<u8>,
    sum: Option<Vec<u8>>,
}

impl Header {
    /// A header of a name and a type flag.
    pub fn new(name: impl AsRef<[u8]>, kind: u8) -> Self {
        let header = Self { block: vec![0; 512], sum: None };
        header
            .at(0, name)
            .at(100, if kind == b'5' { "0000755" } else { "0000644" })
            .at(108, "0000000")
            .at(116, "0000000")
            .size(0)
            .at(136, "00000000001")
            .at(156, [kind])
            .at(257, "ustar\x0000")
    }

    /// Bytes at an offset.
    #[must_use]
    pub fn at(mut self, offset: usize, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.block[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// An octal number in a field, with a NUL behind it.
    #[must_use]
    pub fn octal(self, offset: usize, width: usize, number: u64) -> Self {
        let digits = format!("{number:0width$o}", width = width - 1);
        self.at(offset, digits)
    }

    /// A number in base 256, as GNU and star write it; negative ones as a complement.
    #[must_use]
    pub fn base256(self, offset: usize, width: usize, number: i128) -> Self {
        let bytes = number.to_be_bytes();
        let mut field = bytes[bytes.len() - width..].to_vec();
        field[0] |= 0x80;
        self.at(offset, field)
    }

    /// The size that is told.
    #[must_use]
    pub fn size(self, size: u64) -> Self {
        self.octal(124, 12, size)
    }

    /// The target of a link, cut to its field.
    #[must_use]
    pub fn link(self, target: impl AsRef<[u8]>) -> Self {
        let target = target.as_ref();
        self.at(157, &target[..target.len().min(100)])
    }

    /// The mode.
    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        self.octal(100, 8, mode.into())
    }

    /// Owner and group.
    #[must_use]
    pub fn owner(self, uid: u32, gid: u32) -> Self {
        self.octal(108, 8, uid.into()).octal(116, 8, gid.into())
    }

    /// Major and minor number.
    #[must_use]
    pub fn device(self, major: u64, minor: u64) -> Self {
        self.octal(329, 8, major).octal(337, 8, minor)
    }

    /// With the magic of GNU tar.
    #[must_use]
    pub fn gnu(self) -> Self {
        self.at(257, "ustar  \0")
    }

    /// Without a magic: as V7 wrote it.
    #[must_use]
    pub fn v7(self) -> Self {
        self.at(257, [0; 8])
    }

    /// Another checksum than the right one.
    #[must_use]
    pub fn sum(mut self, field: &str) -> Self {
        self.sum = Some(field.as_bytes().to_vec());
        self
    }

    /// The block, its checksum last.
    pub fn block(mut self) -> Vec<u8> {
        self.block[148..156].fill(b' ');
        let sum: u32 = self.block.iter().map(|b| u32::from(*b)).sum();
        let sum = self.sum.take().unwrap_or_else(|| format!("{sum:06o}\0").into_bytes());
        self.at(148, sum).block
    }

    /// The block and data behind it, whose size it tells.
    pub fn with(self, data: &[u8]) -> Vec<u8> {
        [self.size(data.len() as u64).block(), padded(data)].concat()
    }

    /// The block and data behind it; what it tells of the size stays.
    pub fn followed_by(self, data: &[u8]) -> Vec<u8> {
        [self.block(), padded(data)].concat()
    }
}

/// Data, filled up to whole blocks.
pub fn padded(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    data.resize(data.len().next_multiple_of(512), 0);
    data
}

/// A file.
pub fn file(name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Vec<u8> {
    Header::new(name, b'0').with(data.as_ref())
}

/// A directory.
pub fn dir(name: impl AsRef<[u8]>) -> Vec<u8> {
    Header::new(name, b'5').block()
}

/// A symbolic link.
pub fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Vec<u8> {
    Header::new(name, b'2').mode(0o777).link(target).block()
}

/// A hardlink.
pub fn link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Vec<u8> {
    Header::new(name, b'1').link(target).block()
}

/// A PAX header of these records.
pub fn pax(list: &[(&str, &[u8])]) -> Vec<u8> {
    pax_text(&records(list))
}

/// A PAX header of these bytes.
pub fn pax_text(text: &[u8]) -> Vec<u8> {
    Header::new("pax", b'x').with(text)
}

/// A global PAX header.
pub fn global(list: &[(&str, &[u8])]) -> Vec<u8> {
    Header::new("global", b'g').with(&records(list))
}

/// `<length> <key>=<value>\n` for each.
pub fn records(list: &[(&str, &[u8])]) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in list {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..).find(|n| n.to_string().len() + rest == *n).expect("a number");
        write!(text, "{length} {key}=").expect("memory");
        text.extend_from_slice(value);
        text.push(b'\n');
    }
    text
}

/// A GNU long name (`L`) or long link target (`K`).
pub fn gnu_long(kind: u8, text: impl AsRef<[u8]>) -> Vec<u8> {
    Header::new("././@LongLink", kind).gnu().with(&[text.as_ref(), b"\0"].concat())
}

/// The end of an archive.
pub fn end() -> Vec<u8> {
    vec![0; 1024]
}

/// Parts and the end of an archive.
pub fn tar(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), end()].concat()
}
