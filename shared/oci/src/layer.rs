//! Reading a layer: from compressed bytes to entries, strictly.
//!
//! One state machine frames the archive, in one pass, and decides every case where readers of tar differ. Two readers
//! that must agree would themselves be a place to attack (CVE-2025-62518), and the libraries there are each decide
//! some of these cases otherwise: they lose extended attributes that hold a newline, take the first of two PAX
//! values, take an archive that was cut for one that ended, or drop nanoseconds. So the framing is ours.
//!
//! What is read: POSIX ustar and PAX (IEEE Std 1003.1, `pax`), GNU long names and sparse files, v7.

use std::io::Read;

mod decompress;
mod error;
mod fields;
mod header;
mod pax;
mod reader;
mod sparse;
mod stream;

pub use decompress::open as plain;
pub use error::LayerError;
pub use reader::LayerReader;

/// Seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// What a file system keeps about an entry besides its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Meta {
    /// The twelve permission bits, setuid, setgid and sticky among them.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change of the content.
    pub mtime: Time,
    /// Extended attributes, sorted by name.
    pub xattrs: Xattrs,
}

/// Names and values of extended attributes.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// Bytes that extended attributes take as PAX records, at most.
pub fn xattr_bytes(xattrs: &Xattrs) -> usize {
    // Length, blank, `SCHILY.xattr.`, `=`, newline.
    xattrs.iter().map(|(name, value)| name.len() + value.len() + 32).sum()
}

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path, normalised; empty for the root. For a whiteout, what it deletes.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// What is kept about it.
    pub meta: Meta,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of this many bytes.
    File(u64),
    /// A directory.
    Dir,
    /// A symbolic link to this.
    Symlink(Vec<u8>),
    /// Another name of this path, which stands as it was written.
    Hardlink(Vec<u8>),
    /// A character device: major, minor.
    Char(u32, u32),
    /// A block device: major, minor.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
    /// Deletes its path in the layers below.
    Whiteout,
    /// Hides the children of its path in the layers below.
    Opaque,
}

/// What is known of a layer once it was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// SHA-256 of all uncompressed bytes.
    pub diff_id: [u8; 32],
    /// How many those are.
    pub plain: u64,
    /// What was odd, one sentence each.
    pub warnings: Vec<String>,
    /// How many more warnings there were: what is kept of them is bounded.
    pub unsaid: u64,
}

/// A boxed source of bytes.
type Source = Box<dyn Read + Send>;
