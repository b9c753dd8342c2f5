//! Writing the flat layer: every name once, in the order of the layer that last set it.

use std::io::{self, Read};

use crate::certificate::{self, Certificate};
use crate::index::{Content, What};
use crate::tree::{At, Tree};
use crate::write::{BIG, Head, Sink};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flat {
    /// Entries.
    pub entries: u64,
    /// Bytes of the tar.
    pub plain: u64,
    /// The digest of the file tree, from the model.
    pub certificate: Certificate,
}

/// Writes the flat layer of a tree.
///
/// # Errors
/// When contents cannot be read, or the sink cannot be written to.
pub fn emit(tree: &Tree<'_>, sink: &mut impl Sink) -> io::Result<Flat> {
    let names = tree.walk();
    // The first name of an inode carries its content, the others link to it. 0 is none, else the name's place and 1.
    let mut first = vec![0u32; tree.inodes()];
    let mut plain = 0;
    let mut small = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let (Some((what, at)), Some(meta)) = (tree.what(name.inode), tree.meta(name.inode)) else { continue };
        let path = tree.path(name);
        sink.boundary(&path)?;
        let target = match first.get_mut(name.inode as usize) {
            Some(first) if *first > 0 => names.get(*first as usize - 1).map(|name| tree.path(name)),
            Some(first) if what != What::Dir => {
                *first = u32::try_from(place + 1).map_err(io::Error::other)?;
                None
            }
            _ => None,
        };
        let what = target.as_deref().map_or(what, What::Hardlink);
        let blocks = Head { path: &path, what, meta }.blocks();
        sink.bytes(&blocks)?;
        plain += blocks.len() as u64;
        if let (What::File(content), Some(at)) = (what, at) {
            plain += file(tree, at, content, &mut small, sink)?;
        }
    }
    // Two blocks of zeros end an archive.
    sink.bytes(&ZEROS)?;
    let entries = names.len() as u64;
    drop((names, first));
    Ok(Flat { entries, plain: plain + 1024, certificate: certificate::of_tree(tree) })
}

/// Writes a file's content and its padding; how many bytes those were.
fn file(
    tree: &Tree<'_>,
    at: At,
    content: Content,
    small: &mut Vec<u8>,
    sink: &mut impl Sink,
) -> io::Result<u64> {
    let Content { size, at: from, .. } = content;
    let gone = || io::Error::other("the contents of a layer are not there");
    let mut reader = tree.layer(at).ok_or_else(gone)?.contents.reader(from, size);
    if size >= BIG {
        sink.big(&mut reader, size)?;
    } else {
        small.resize(usize::try_from(size).unwrap_or(0), 0);
        reader.read_exact(small)?;
        sink.bytes(small)?;
    }
    let padding = size.next_multiple_of(512) - size;
    sink.bytes(ZEROS.get(..usize::try_from(padding).unwrap_or(0)).unwrap_or_default())?;
    Ok(size + padding)
}

static ZEROS: [u8; 1024] = [0; 1024];
