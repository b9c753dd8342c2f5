//! The plan of a flat layer: which pieces it will have, and what each is known by, before a byte of content is touched.
//!
//! A large file is a piece of its own; headers and small files are gathered into batches, in the order in which they are
//! written. Where a batch ends is decided by the name of the entry that follows and by sizes, so that a file that comes or
//! goes changes the batches around it and none after. A batch's key is made of headers and digests of contents: whoever
//! has a piece by its key needs no content at all.

use std::io;
use std::ops::Range;

use crate::certificate::{self, Certificate};
use crate::contents::Window;
use crate::index::{Content, LayerIndex, Place, What};
use crate::proof::BatchKey;
use crate::tree::{At, Tree, Walked};
use crate::write::{BIG, Head};

/// How large batches are, in bytes of the tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cuts {
    /// No batch ends by content before this.
    pub min: usize,
    /// The size aimed at.
    pub average: usize,
    /// None is larger.
    pub max: usize,
}

impl Default for Cuts {
    /// 256 KiB, 1 MiB, 4 MiB.
    fn default() -> Self {
        Self { min: 256 << 10, average: 1 << 20, max: 4 << 20 }
    }
}

/// What a plan comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flat {
    /// Entries.
    pub entries: u64,
    /// Bytes of the tar.
    pub plain: u64,
    /// The digest of the file tree, from the model.
    pub certificate: Certificate,
}

/// A piece of a flat layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Headers and small files: whole entries, or the header of the large file that follows.
    Batch {
        /// Which entries, by their places in the flat layer.
        entries: Range<u32>,
        /// What it is known by.
        key: [u8; 32],
        /// Bytes.
        size: usize,
        /// Whether what one layer gave ends here: others that have the same layers begin alike.
        layer_ends: bool,
        /// Whether the archive ends here.
        last: bool,
    },
    /// The content of a large file, and the zeros that pad it.
    Large {
        /// The content.
        content: Content,
        /// The layer it is in, by its place.
        layer: usize,
    },
}

/// Where the contents of layers that are known from before are.
pub trait Keep {
    /// Appends `size` bytes of the chunk of this key, from `at` on.
    ///
    /// # Errors
    /// When they cannot be had.
    fn read(&mut self, key: &[u8; 32], at: u32, size: usize, out: &mut Vec<u8>) -> io::Result<()>;
}

/// Nothing is known from before.
pub(crate) struct Nothing;

impl Keep for Nothing {
    fn read(&mut self, _: &[u8; 32], _: u32, _: usize, _: &mut Vec<u8>) -> io::Result<()> {
        Err(gone())
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the contents of a layer are not there")
}

/// The plan of a tree's flat layer.
pub struct Plan<'t, 'a> {
    tree: &'t Tree<'a>,
    names: Vec<Walked<'t>>,
    /// The first name of an inode carries its content, the others link to it: its place and 1, or 0.
    first: Vec<u32>,
    pieces: Vec<Piece>,
    /// For each file of each layer, the batch its content is in and at which byte.
    homes: Vec<Vec<Option<(u32, u32)>>>,
    plain: u64,
    window: Window,
}

/// A batch that is growing.
struct Growing {
    from: u32,
    key: BatchKey,
    size: usize,
    /// The layer of the entry before.
    layer: u32,
    /// Bytes of the entry before.
    entry: usize,
}

impl<'t, 'a> Plan<'t, 'a> {
    /// Plans the flat layer of a tree.
    pub fn of(tree: &'t Tree<'a>, cuts: Cuts) -> Self {
        let names = tree.walk();
        let mut first = vec![0u32; tree.inodes()];
        for (place, name) in (1..).zip(&names) {
            if let Some(first) = first.get_mut(name.inode as usize).filter(|first| **first == 0) {
                *first = place;
            }
        }
        let homes = tree.layers().map(|layer| vec![None; layer.files()]).collect();
        let mut plan =
            Self { tree, names, first, pieces: Vec::new(), homes, plain: 0, window: Window::default() };
        plan.cut(cuts);
        plan
    }

    fn cut(&mut self, cuts: Cuts) {
        let mut batch = Growing { from: 0, key: BatchKey::new(), size: 0, layer: 0, entry: 0 };
        for place in 0..self.names.len() {
            let Some((path, blocks, file)) = self.entry(place) else { continue };
            let small = file.filter(|(content, _)| content.size < BIG);
            let own = small.map_or(0, |(content, _)| padded(content.size));
            let length = blocks.len() + own;
            let layer = self.names.get(place).map_or(batch.layer, Walked::layer);
            let layer_ends = layer != batch.layer && batch.size >= cuts.min / 4;
            let by_name = batch.size >= cuts.min && ends_here(&path, batch.entry, cuts.average - cuts.min);
            if batch.size > 0 && (layer_ends || by_name || batch.size + length > cuts.max) {
                self.end_batch(&mut batch, place, layer_ends);
            }
            batch.layer = layer;
            batch.entry = length;
            batch.key.header(&blocks);
            if let Some((content, at)) = small {
                batch.key.content(&content.digest, content.size);
                self.settle(at, batch.size + blocks.len());
            }
            batch.size += length;
            if let Some((content, at)) = file.filter(|(content, _)| content.size >= BIG) {
                self.end_batch(&mut batch, place + 1, false);
                self.plain += padded(content.size) as u64;
                self.pieces.push(Piece::Large { content, layer: at.layer as usize });
            }
        }
        // Two blocks of zeros end an archive.
        batch.key.header(&END);
        batch.size += END.len();
        self.end_batch(&mut batch, self.names.len(), true);
        if let Some(Piece::Batch { last, .. }) = self.pieces.last_mut() {
            *last = true;
        }
    }

    fn end_batch(&mut self, batch: &mut Growing, to: usize, layer_ends: bool) {
        let to = u32::try_from(to).unwrap_or(u32::MAX);
        let key = std::mem::take(&mut batch.key).finish();
        self.plain += batch.size as u64;
        let entries = batch.from..to;
        self.pieces.push(Piece::Batch { entries, key, size: batch.size, layer_ends, last: false });
        (batch.from, batch.size) = (to, 0);
    }

    /// A small file's content is in the batch that is growing.
    fn settle(&mut self, at: At, byte: usize) {
        let file = self.tree.layer(at).and_then(|layer| layer.file(at.entry as usize));
        let home = file.and_then(|file| self.homes.get_mut(at.layer as usize)?.get_mut(file));
        let here = u32::try_from(self.pieces.len()).ok().zip(u32::try_from(byte).ok());
        if let (Some(home), Some(here)) = (home, here) {
            *home = Some(here);
        }
    }

    /// The path and header of an entry, and its content if it carries one.
    #[expect(clippy::type_complexity, reason = "three things of one entry")]
    fn entry(&self, place: usize) -> Option<(Vec<u8>, Vec<u8>, Option<(Content, At)>)> {
        let name = self.names.get(place)?;
        let (what, at) = self.tree.what(name.inode)?;
        let meta = self.tree.meta(name.inode)?;
        let path = self.tree.path(name);
        let first = (*self.first.get(name.inode as usize)? as usize).checked_sub(1)?;
        if first != place && what != What::Dir {
            let target = self.tree.path(self.names.get(first)?);
            let blocks = Head { path: &path, what: What::Hardlink(&target), meta }.blocks();
            return Some((path, blocks, None));
        }
        let blocks = Head { path: &path, what, meta }.blocks();
        let content = match (what, at) {
            (What::File(content), Some(at)) => Some((content, at)),
            _ => None,
        };
        Some((path, blocks, content))
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The keys of the chunks of a large file, if its layer says which they are.
    pub fn large(&self, content: &Content, layer: usize) -> Option<&[[u8; 32]]> {
        self.tree.layer_at(layer)?.keys(content.place).filter(|_| matches!(content.place, Place::Large(..)))
    }

    /// What the plan comes to.
    pub fn flat(&self) -> Flat {
        let entries = self.names.len() as u64;
        Flat { entries, plain: self.plain, certificate: certificate::of_tree(self.tree) }
    }

    /// Which batch holds the content of each of a layer's files, and at which byte.
    pub fn homes(&self, layer: usize) -> &[Option<(u32, u32)>] {
        self.homes.get(layer).map(Vec::as_slice).unwrap_or_default()
    }

    /// For each small file of these entries, its layer and where its content is: the key of a chunk, or `None` where that is
    /// not a chunk. A content that is nowhere has neither.
    pub fn contents(&self, entries: Range<u32>, mut each: impl FnMut(usize, Place, Option<&[u8; 32]>)) {
        for place in entries {
            let Some((content, at)) = self.content(place as usize) else { continue };
            let key = self.tree.layer(at).and_then(|layer| layer.keys(content.place)).and_then(|k| k.first());
            each(at.layer as usize, content.place, key);
        }
    }

    /// The small content that an entry carries.
    fn content(&self, place: usize) -> Option<(Content, At)> {
        let name = self.names.get(place)?;
        match self.tree.what(name.inode)? {
            (What::File(content), Some(at)) if content.size < BIG && content.size > 0 => {
                let first = *self.first.get(name.inode as usize)? as usize;
                (first == place + 1).then_some((content, at))
            }
            _ => None,
        }
    }

    /// Appends the bytes of a batch of these entries, and the end of the archive if it is the last.
    ///
    /// # Errors
    /// When a content cannot be had.
    pub fn fill(
        &mut self,
        entries: Range<u32>,
        last: bool,
        keep: &mut dyn Keep,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut window = std::mem::take(&mut self.window);
        for place in entries {
            let Some((_, blocks, file)) = self.entry(place as usize) else { continue };
            out.extend_from_slice(&blocks);
            let Some((content, at)) = file.filter(|(content, _)| content.size < BIG) else { continue };
            let layer = self.tree.layer(at).ok_or_else(gone)?;
            append(layer, &content, keep, &mut window, out)?;
            out.resize(out.len().next_multiple_of(512), 0);
        }
        self.window = window;
        if last {
            out.extend_from_slice(&END);
        }
        Ok(())
    }
}

fn append(
    layer: &LayerIndex,
    content: &Content,
    keep: &mut dyn Keep,
    window: &mut Window,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let size = usize::try_from(content.size).map_err(io::Error::other)?;
    match content.place {
        _ if size == 0 => Ok(()),
        Place::Spooled(from) => layer.contents.as_ref().ok_or_else(gone)?.read(from, size, window, out),
        Place::Batch(_, at) => {
            let key = layer.keys(content.place).and_then(|keys| keys.first()).ok_or_else(gone)?;
            keep.read(key, at, size, out)
        }
        Place::Large(..) | Place::Nowhere => Err(gone()),
    }
}

/// Bytes that a content takes in a tar.
fn padded(size: u64) -> usize {
    usize::try_from(size.next_multiple_of(512)).unwrap_or(usize::MAX)
}

static END: [u8; 1024] = [0; 1024];

/// Whether a batch ends before the entry of this name: with a chance, drawn from the name, of the bytes of the entry
/// before in `span`.
///
/// Weighed by bytes and not by entries, batches come out at the same average for a tree of one-kilobyte files and
/// one of hundred-kilobyte files; with a fixed chance the latter would always run into the hard limit, whose place
/// depends on everything before it.
fn ends_here(name: &[u8], entry: usize, span: usize) -> bool {
    let hash = blake3::hash(name);
    let draw = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    (u128::from(draw) * span as u128) >> 64 < entry as u128
}

#[cfg(test)]
mod tests {
    use super::ends_here;

    #[test]
    fn batches_end_in_proportion_to_bytes() {
        let span = 768 << 10;
        for entry in [1usize << 10, 16 << 10, 200 << 10] {
            let ends =
                (0..20_000).filter(|i| ends_here(format!("usr/lib/{i}").as_bytes(), entry, span)).count();
            let expected = 20_000.0 * entry as f64 / span as f64;
            let share = ends as f64 / expected;
            assert!((0.5..1.5).contains(&share), "{entry}: {ends} for {expected}");
        }
        assert!(ends_here(b"any", span, span) && !ends_here(b"any", 0, span));
    }
}
