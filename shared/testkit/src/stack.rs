//! Stacks of layers as descriptions, and file trees as values: what proofs of the flattener are made of.
//!
//! Nothing here knows the rooms it tests: a tar is written and read, and a directory is read, by code of its own.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

mod disk;
mod encode;
mod profile;
mod random;
mod read;

pub use disk::read_dir;
pub use profile::{Parents, Profile};
pub use random::{nth, stacks};
pub use read::read_tar;

/// Layers, the lowest first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Stack {
    /// The layers.
    pub layers: Vec<Layer>,
}

/// One layer: entries in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Layer {
    /// The entries. A whiteout is an entry with a whiteout's name.
    pub ops: Vec<Op>,
}

/// One entry of an archive.
#[derive(Clone, PartialEq, Eq)]
pub struct Op {
    /// Its name as the archive has it.
    pub path: Vec<u8>,
    /// What it is.
    pub what: What,
    /// What is kept about it.
    pub meta: Meta,
}

/// What an entry or a node is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A regular file and its content.
    File(Vec<u8>),
    /// A directory.
    Dir,
    /// A symbolic link to this.
    Symlink(Vec<u8>),
    /// Another name of this. No node of a tree is one.
    Hardlink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A character device.
    Char(u32, u32),
    /// A block device.
    Block(u32, u32),
}

/// What a file system keeps about a node besides its content.
#[derive(Clone, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds, rounded down, and nanoseconds.
    pub mtime: (i64, u32),
    /// Extended attributes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A node of a tree.
#[derive(Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is, never a hardlink.
    pub what: What,
    /// What is kept about it.
    pub meta: Meta,
    /// The first of its names in byte order: names of one inode have the same.
    pub first: Vec<u8>,
}

/// A file tree: every path, without a leading slash; the empty path is the root.
pub type Tree = BTreeMap<Vec<u8>, Node>;

impl Default for Meta {
    fn default() -> Self {
        Self { mode: 0o644, uid: 0, gid: 0, mtime: (1, 0), xattrs: BTreeMap::new() }
    }
}

impl Stack {
    /// The layers as tars.
    pub fn tars(&self) -> Vec<Vec<u8>> {
        self.layers.iter().map(Layer::tar).collect()
    }

    /// The same stack with each layer's markers before its other entries, opaque ones before those.
    #[must_use]
    pub fn markers_first(&self) -> Self {
        let mut stack = self.clone();
        for layer in &mut stack.layers {
            layer.ops.sort_by_key(|op| {
                let last = op.path.rsplit(|byte| *byte == b'/').find(|name| !name.is_empty());
                match last {
                    Some(b".wh..wh..opq") => 0,
                    Some(name) if name.starts_with(b".wh.") => 1,
                    _ => 2,
                }
            });
        }
        stack
    }
}

/// A tree from names of inodes: [`Node::first`] is found here.
pub fn tree_of<'a>(
    names: impl Iterator<Item = (&'a [u8], usize)>,
    inode: impl Fn(usize) -> (What, Meta),
) -> Tree {
    let sorted: BTreeMap<&[u8], usize> = names.collect();
    let mut first: BTreeMap<usize, &[u8]> = BTreeMap::new();
    let mut tree = Tree::new();
    for (path, id) in sorted {
        let first = first.entry(id).or_insert(path).to_vec();
        let (what, meta) = inode(id);
        tree.insert(path.to_vec(), Node { what, meta, first });
    }
    tree
}

/// The first path in which two trees differ, in words.
pub fn difference(left: &Tree, right: &Tree) -> Option<String> {
    differing(left, right).into_iter().next().map(|path| {
        format!("`{}`\n  left:  {:?}\n  right: {:?}", path.escape_ascii(), left.get(&path), right.get(&path))
    })
}

/// All paths in which two trees differ.
pub fn differing(left: &Tree, right: &Tree) -> Vec<Vec<u8>> {
    let mut paths: Vec<Vec<u8>> = left.keys().chain(right.keys()).cloned().collect();
    paths.sort();
    paths.dedup();
    paths.retain(|path| left.get(path) != right.get(path));
    paths
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layers.iter().enumerate().try_for_each(|(place, layer)| write!(f, "layer {place}:\n{layer:?}"))
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ops.iter().try_for_each(|op| writeln!(f, "  {op:?}"))
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {} {:?}", self.path.escape_ascii(), show(&self.what), self.meta)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} first `{}`", show(&self.what), self.meta, self.first.escape_ascii())
    }
}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:o} {}:{} {}.{:09}", self.mode, self.uid, self.gid, self.mtime.0, self.mtime.1)?;
        self.xattrs
            .iter()
            .try_for_each(|(name, value)| write!(f, " {}={}", name.escape_ascii(), value.escape_ascii()))
    }
}

fn show(what: &What) -> String {
    let mut text = String::new();
    let _ = match what {
        What::File(data) if data.len() > 40 => write!(text, "file of {} bytes", data.len()),
        What::File(data) => write!(text, "file \"{}\"", data.escape_ascii()),
        What::Symlink(target) => write!(text, "-> `{}`", target.escape_ascii()),
        What::Hardlink(target) => write!(text, "=> `{}`", target.escape_ascii()),
        other => write!(text, "{other:?}"),
    };
    text
}
