//! A layer index: a layer's entries in order, with their metadata and the digests of their contents.
//!
//! It is what an image costs in memory, so it is kept flat: a row of 24 bytes an entry, names and link targets one after
//! the other in one buffer, metadata once for neighbours that are alike.

use oci::layer::Meta;

use crate::contents::Contents;

mod code;
mod read;

pub use code::INDEX_VERSION;
pub use read::{LargeFiles, read_layer};

/// Where a content's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Nowhere any more: whoever needs it reads the layer again.
    Nowhere,
    /// In the layer's [`Contents`], from this byte on.
    Spooled(u64),
    /// In chunks of its own: so many of the index's keys, from this one on.
    Large(u32, u32),
    /// In the batch of this place among the index's keys, from this byte on.
    Batch(u32, u32),
}

/// The content of a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content {
    /// BLAKE3 of its bytes.
    pub digest: [u8; 32],
    /// Bytes.
    pub size: u64,
    /// Where it is.
    pub place: Place,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What<'a> {
    /// A regular file.
    File(Content),
    /// A directory.
    Dir,
    /// A symbolic link to this.
    Symlink(&'a [u8]),
    /// Another name of this path, which stands as it was written.
    Hardlink(&'a [u8]),
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

/// An entry of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// Its normalised path; empty for the root.
    pub path: &'a [u8],
    /// What it is.
    pub what: What<'a>,
    /// What is kept about it.
    pub meta: &'a Meta,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy)]
struct Span {
    at: u32,
    length: u16,
}

/// [`What`], as it is kept.
#[derive(Debug, Clone, Copy)]
enum Kept {
    /// The file of this number.
    File(u32),
    Dir,
    Symlink(Span),
    Hardlink(Span),
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
    Whiteout,
    Opaque,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    path: Span,
    kept: Kept,
    meta: u32,
}

/// A layer that was read once, to its end.
#[derive(Debug, Clone)]
pub struct LayerIndex {
    /// SHA-256 of all uncompressed bytes, computed from those bytes.
    pub diff_id: [u8; 32],
    /// How many those are.
    pub plain: u64,
    /// What was odd, one sentence each.
    pub warnings: Vec<String>,
    /// How many more warnings there were.
    pub unsaid: u64,
    /// The contents of its files, if it was read just now.
    pub(crate) contents: Option<Contents>,
    /// Keys of chunks in which contents are.
    keys: Vec<[u8; 32]>,
    rows: Vec<Row>,
    files: Vec<Content>,
    metas: Vec<Meta>,
    text: Vec<u8>,
}

impl LayerIndex {
    /// How many entries there are.
    pub fn entries(&self) -> usize {
        self.rows.len()
    }

    /// An entry by its place.
    pub fn get(&self, entry: usize) -> Option<Item<'_>> {
        let row = self.rows.get(entry)?;
        let what = match row.kept {
            Kept::File(number) => What::File(*self.files.get(number as usize)?),
            Kept::Dir => What::Dir,
            Kept::Symlink(target) => What::Symlink(self.text(target)),
            Kept::Hardlink(target) => What::Hardlink(self.text(target)),
            Kept::Char(major, minor) => What::Char(major, minor),
            Kept::Block(major, minor) => What::Block(major, minor),
            Kept::Fifo => What::Fifo,
            Kept::Whiteout => What::Whiteout,
            Kept::Opaque => What::Opaque,
        };
        Some(Item { path: self.text(row.path), what, meta: self.metas.get(row.meta as usize)? })
    }

    /// Keys of the chunks of a large file.
    pub(crate) fn keys(&self, place: Place) -> Option<&[[u8; 32]]> {
        let (first, count) = match place {
            Place::Large(first, count) => (first, count),
            Place::Batch(chunk, _) => (chunk, 1),
            Place::Nowhere | Place::Spooled(_) => return None,
        };
        self.keys.get(first as usize..)?.get(..count as usize)
    }

    /// The number of an entry's file among the layer's files.
    pub(crate) fn file(&self, entry: usize) -> Option<usize> {
        match self.rows.get(entry)?.kept {
            Kept::File(number) => Some(number as usize),
            _ => None,
        }
    }

    /// How many files there are.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    /// The entries in order, with their places.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Item<'_>)> {
        (0..self.rows.len()).filter_map(|entry| Some((entry, self.get(entry)?)))
    }

    fn text(&self, span: Span) -> &[u8] {
        let from = span.at as usize;
        self.text.get(from..from + usize::from(span.length)).unwrap_or_default()
    }
}
