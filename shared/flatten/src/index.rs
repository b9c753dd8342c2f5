//! A layer index: a layer's entries in order, with their metadata and the digests of their contents.
//!
//! It is what an image costs in memory, so it is kept flat: a row of 24 bytes an entry, names and link targets one after
//! the other in one buffer, metadata once for neighbours that are alike.

use std::io::Read;
use std::path::Path;

use oci::layer::{Entry, Kind, LayerError, LayerReader, Meta};
use oci::limits::Budget;

use crate::contents::{Contents, Spool};
use crate::source::Shared;

/// The content of a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content {
    /// BLAKE3 of its bytes.
    pub digest: [u8; 32],
    /// Bytes.
    pub size: u64,
    /// Where it begins in the layer's [`Contents`].
    pub at: u64,
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
    /// The contents of its files.
    pub contents: Contents,
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

    /// The entries in order, with their places.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Item<'_>)> {
        (0..self.rows.len()).filter_map(|entry| Some((entry, self.get(entry)?)))
    }

    fn text(&self, span: Span) -> &[u8] {
        let from = span.at as usize;
        self.text.get(from..from + usize::from(span.length)).unwrap_or_default()
    }
}

/// An index that is growing.
#[derive(Debug, Default)]
struct Growing {
    rows: Vec<Row>,
    files: Vec<Content>,
    metas: Vec<Meta>,
    text: Vec<u8>,
}

impl Growing {
    fn add(&mut self, entry: Entry, content: Option<Content>) -> Result<(), LayerError> {
        let path = self.keep(&entry.path)?;
        let kept = match (entry.kind, content) {
            (_, Some(content)) => {
                self.files.push(content);
                Kept::File(number(self.files.len() - 1)?)
            }
            (Kind::Symlink(target), None) => Kept::Symlink(self.keep(&target)?),
            (Kind::Hardlink(target), None) => Kept::Hardlink(self.keep(&target)?),
            (Kind::Char(major, minor), None) => Kept::Char(major, minor),
            (Kind::Block(major, minor), None) => Kept::Block(major, minor),
            (Kind::Fifo, None) => Kept::Fifo,
            (Kind::Whiteout, None) => Kept::Whiteout,
            (Kind::Opaque, None) => Kept::Opaque,
            (Kind::Dir | Kind::File(_), None) => Kept::Dir,
        };
        if self.metas.last() != Some(&entry.meta) {
            self.metas.push(entry.meta);
        }
        self.rows.push(Row { path, kept, meta: number(self.metas.len() - 1)? });
        Ok(())
    }

    fn keep(&mut self, text: &[u8]) -> Result<Span, LayerError> {
        let span =
            Span { at: number(self.text.len())?, length: u16::try_from(text.len()).map_err(|_| too_many())? };
        self.text.extend_from_slice(text);
        Ok(span)
    }
}

fn number(place: usize) -> Result<u32, LayerError> {
    u32::try_from(place).map_err(|_| too_many())
}

/// Beyond what the numbers of an index can say, whatever the operator allows: four thousand million.
fn too_many() -> LayerError {
    LayerError::new(
        "layer.too_many_entries",
        "A layer holds more entries or longer names than can be counted.",
    )
}

/// Reads a layer's compressed bytes to their end. Contents go into an unnamed file in `dir`.
///
/// # Errors
/// When the layer is refused or damaged, its bytes cannot be had, or `dir` cannot be written to (`factory.disk`). Of
/// bytes that are not those they should be, that is told, and not what is wrong in them.
pub fn read_layer<R: Read + Send + 'static>(
    input: R,
    dir: &Path,
    budget: &Budget,
) -> Result<LayerIndex, LayerError> {
    let input = Shared::new(input);
    read(input.clone(), dir, budget).map_err(|error| {
        let about_bytes = error.is_permanent() && error.code() != "factory.disk";
        let verdict = if about_bytes { input.verdict() } else { None };
        verdict.unwrap_or(error)
    })
}

fn read<R: Read + Send + 'static>(
    input: Shared<R>,
    dir: &Path,
    budget: &Budget,
) -> Result<LayerIndex, LayerError> {
    let disk = |e: std::io::Error| {
        LayerError::new("factory.disk", format!("The factory's disk cannot be written to: {e}."))
    };
    let mut reader = LayerReader::open(input, budget.clone())?;
    let mut spool = Spool::new(dir).map_err(disk)?;
    let mut index = Growing::default();
    let mut buffer = vec![0; 128 << 10];
    while let Some(entry) = reader.next_entry()? {
        let content = match entry.kind {
            Kind::File(size) => {
                let (at, mut hash) = (spool.at(), blake3::Hasher::new());
                loop {
                    let read = reader.read_content(&mut buffer)?;
                    let Some(fresh) = buffer.get(..read).filter(|fresh| !fresh.is_empty()) else { break };
                    hash.update(fresh);
                    spool.append(fresh).map_err(disk)?;
                }
                Some(Content { digest: hash.finalize().into(), size, at })
            }
            _ => None,
        };
        index.add(entry, content)?;
    }
    let ended = reader.end()?;
    let contents = spool.finish().map_err(disk)?;
    let Growing { rows, files, metas, text } = index;
    Ok(LayerIndex {
        diff_id: ended.diff_id,
        plain: ended.plain,
        warnings: ended.warnings,
        unsaid: ended.unsaid,
        contents,
        rows,
        files,
        metas,
        text,
    })
}
