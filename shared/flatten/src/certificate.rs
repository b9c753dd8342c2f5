//! The certificate: a digest of a file tree, computed from the layered model and again from the flat bytes.
//!
//! Canonical form: for every path, in the order of its names, a record of the path; then for the first path of an inode
//! the digest of the inode; for any further path of an inode, the first one. The digest of an inode is the BLAKE3 of its
//! type, its content's digest and size, link target or device, its mode, owner, group and time, and its extended
//! attributes in the order of their names. Every variable part is preceded by its length. The certificate is the BLAKE3
//! of all records.

use std::collections::HashMap;
use std::fmt;

use oci::layer::Meta;

use crate::index::What;
use crate::tree::{Id, Tree};

mod certify;
mod names;

pub use certify::certify;
pub(crate) use certify::named;
pub(crate) use names::{Named, Names};

/// A digest of a file tree: `blake3:<hex>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate(String);

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Certificate {
    /// The certificate of an image for several platforms: of each platform's name and certificate, in the order of the
    /// names. That of one platform alone is its own.
    pub fn of_platforms<'a>(platforms: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut platforms: Vec<_> = platforms.into_iter().collect();
        if let [(_, only)] = platforms.as_slice() {
            return Self((*only).to_owned());
        }
        platforms.sort_unstable();
        let mut out = Writer::default();
        for (platform, certificate) in platforms {
            out.bytes(platform.as_bytes());
            out.bytes(certificate.as_bytes());
        }
        out.finish()
    }
}

/// The digest of an inode.
type Inode = [u8; 32];

#[derive(Default)]
struct Writer(blake3::Hasher);

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// The first path of an inode.
    fn inode(&mut self, path: &[u8], inode: &Inode) {
        self.bytes(path);
        self.bytes(inode);
    }

    /// A further path of an inode.
    fn link(&mut self, path: &[u8], first: &[u8]) {
        self.bytes(path);
        self.bytes(b"link");
        self.bytes(first);
    }

    fn finish(self) -> Certificate {
        Certificate(format!("blake3:{}", self.0.finalize().to_hex()))
    }
}

/// The digest of what an inode is and of what is kept about it.
fn inode(what: What<'_>, meta: &Meta) -> Inode {
    let mut out = Writer::default();
    match what {
        What::File(content) => return file(&content.digest, content.size, &kept(meta)),
        What::Symlink(target) => {
            out.bytes(b"symlink");
            out.bytes(target);
        }
        What::Dir => out.bytes(b"dir"),
        What::Char(major, minor) => out.bytes(format!("char {major} {minor}").as_bytes()),
        What::Block(major, minor) => out.bytes(format!("block {major} {minor}").as_bytes()),
        What::Fifo => out.bytes(b"fifo"),
        // Neither a link nor a marker is an inode.
        What::Hardlink(_) | What::Whiteout | What::Opaque => {}
    }
    out.0.update(&kept(meta));
    out.0.finalize().into()
}

/// The digest of a regular file of this content, with what [`kept`] says.
pub(crate) fn file(digest: &[u8; 32], size: u64, kept: &[u8]) -> Inode {
    let mut out = Writer::default();
    out.bytes(b"file");
    out.bytes(digest);
    out.bytes(&size.to_le_bytes());
    out.0.update(kept);
    out.0.finalize().into()
}

/// What is kept about an inode, as it goes into its digest.
pub(crate) fn kept(meta: &Meta) -> Vec<u8> {
    let Meta { mode, uid, gid, mtime, xattrs } = meta;
    let mut out = Vec::with_capacity(64);
    let mut bytes = |bytes: &[u8]| {
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    };
    bytes(format!("{mode:o} {uid} {gid} {} {}", mtime.seconds, mtime.nanos).as_bytes());
    bytes(&(xattrs.len() as u64).to_le_bytes());
    for (name, value) in xattrs {
        bytes(name);
        bytes(value);
    }
    out
}

/// The certificate of the model.
pub(crate) fn of_tree(tree: &Tree<'_>) -> Certificate {
    // Only inodes of several names need to be remembered by the first; a name is told by its number on the way.
    let mut names = vec![0u8; tree.inodes()];
    tree.by_path(|_, id| {
        if let Some(count) = names.get_mut(id as usize) {
            *count = count.saturating_add(1);
        }
    });
    let mut first: HashMap<Id, Vec<u8>> = HashMap::new();
    let mut out = Writer::default();
    tree.by_path(|path, id| {
        let (Some((what, _)), Some(meta)) = (tree.what(id), tree.meta(id)) else { return };
        if let Some(first) = first.get(&id) {
            out.link(path, first);
            return;
        }
        if names.get(id as usize).is_some_and(|count| *count > 1) {
            first.insert(id, path.to_vec());
        }
        out.inode(path, &inode(what, meta));
    });
    out.finish()
}
