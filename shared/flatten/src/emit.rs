//! Writing the flat layer: every name once, in the order of the layer that last set it.

use std::collections::HashMap;
use std::io::{self, Read};

use oci::layer::Kind;

use crate::certificate::{self, Certificate};
use crate::contents::Contents;
use crate::tree::{Body, Id, Tree};
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

/// Writes the flat layer of a tree. `contents` are those of its layers, in order.
///
/// # Errors
/// When contents cannot be read, or the sink cannot be written to.
pub fn emit(tree: &Tree, contents: &[Contents], sink: &mut impl Sink) -> io::Result<Flat> {
    let names = tree.walk();
    // The first name of an inode carries its content, the others link to it.
    let mut first: HashMap<Id, &[u8]> = HashMap::new();
    let mut plain = 0;
    let mut small = Vec::new();
    for (_, path, id) in &names {
        let Some(inode) = tree.inode(*id) else { continue };
        sink.boundary(path)?;
        let kind = match (&inode.body, first.get(id)) {
            (Body::Dir { .. }, _) => Kind::Dir,
            (_, Some(target)) => Kind::Hardlink(target.to_vec()),
            (Body::File { content, .. }, None) => Kind::File(content.size),
            (Body::Symlink(target), None) => Kind::Symlink(target.to_vec()),
            (Body::Device(kind), None) => kind.clone(),
        };
        if kind != Kind::Dir {
            first.entry(*id).or_insert(path);
        }
        let blocks = Head { path, kind: &kind, meta: &inode.meta }.blocks();
        sink.bytes(&blocks)?;
        plain += blocks.len() as u64;
        if let (Kind::File(size), Body::File { content, layer }) = (&kind, &inode.body) {
            let gone = || io::Error::other("the contents of a layer are not there");
            let mut reader = contents.get(*layer as usize).ok_or_else(gone)?.reader(content.at, *size);
            if *size >= BIG {
                sink.big(&mut reader, *size)?;
            } else {
                small.resize(usize::try_from(*size).unwrap_or(0), 0);
                reader.read_exact(&mut small)?;
                sink.bytes(&small)?;
            }
            let padding = size.next_multiple_of(512) - size;
            sink.bytes(ZEROS.get(..usize::try_from(padding).unwrap_or(0)).unwrap_or_default())?;
            plain += size + padding;
        }
    }
    // Two blocks of zeros end an archive.
    sink.bytes(&ZEROS)?;
    Ok(Flat {
        entries: names.len() as u64,
        plain: plain + 1024,
        certificate: certificate::of_tree(tree, &names),
    })
}

static ZEROS: [u8; 1024] = [0; 1024];
