//! The forward model: paths and inodes, to which layers are applied in order.
//!
//! A layer is applied in two passes, since whiteouts act on the layers below wherever they stand in their own: first
//! every deletion, against the tree as the layers below left it, then every entry in order.
//!
//! An inode does not hold what its entry says: it says which entry that is.

use std::collections::BTreeMap;

use oci::layer::Meta;
use oci::limits::Limits;

use crate::index::{Item, LayerIndex, What};

mod apply;
mod error;
mod replaced;
mod resolve;
mod walk;

pub(crate) use walk::Walked;

pub use error::TreeError;

/// An inode's number.
pub(crate) type Id = u32;

pub(crate) const ROOT: Id = 0;

/// An entry: of which layer, and which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) layer: u32,
    pub(crate) entry: u32,
}

/// Where a path was last set: the entry, and a place for parents that had to be made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) at: At,
    pub(crate) step: u16,
}

impl Place {
    /// The entry itself, which stands after its parents.
    const ENTRY: u16 = u16::MAX;
}

/// A name in a directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(crate) inode: Id,
    pub(crate) place: Place,
}

/// How far a directory is from the root. It never moves, so that is known when it is made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reach {
    /// Bytes of its path, with a slash after each name.
    bytes: u16,
    /// Names of its path.
    depth: u16,
}

#[derive(Debug)]
pub(crate) struct Dir {
    pub(crate) parent: Id,
    pub(crate) name: Box<[u8]>,
    pub(crate) reach: Reach,
    pub(crate) names: BTreeMap<Box<[u8]>, Name>,
}

#[derive(Debug)]
pub(crate) enum Body {
    Dir(Box<Dir>),
    /// Whatever this entry is.
    Leaf(At),
}

/// What is kept about an inode.
#[derive(Debug)]
enum Kept {
    /// What a directory is that no layer has an entry for.
    Made,
    /// What this entry says.
    Of(At),
    /// What several entries make together.
    Own(Box<Meta>),
}

#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) body: Body,
    kept: Kept,
}

/// The file system that the layers applied so far make.
#[derive(Debug)]
pub struct Tree<'a> {
    layers: Vec<&'a LayerIndex>,
    inodes: Vec<Inode>,
    /// Where the root's own attributes were set, if any layer did.
    root: Option<Place>,
    limits: Limits,
    /// Components of symbolic links' targets followed so far.
    followed: u64,
    /// Names set so far, and bytes of their whole paths.
    names: u64,
    text: u64,
    warnings: Vec<String>,
    unsaid: u64,
    made: Meta,
}

/// Warnings of an image beyond this are only counted: they are kept in its row and its log.
const WARNINGS: usize = 200;

impl Default for Tree<'_> {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl<'a> Tree<'a> {
    /// An empty file system, within limits.
    pub fn new(limits: Limits) -> Self {
        let root =
            Dir { parent: ROOT, name: Box::default(), reach: Reach::default(), names: BTreeMap::new() };
        Self {
            layers: Vec::new(),
            inodes: vec![Inode { body: Body::Dir(Box::new(root)), kept: Kept::Made }],
            root: None,
            limits,
            followed: 0,
            names: 0,
            text: 0,
            warnings: Vec::new(),
            unsaid: 0,
            made: Meta { mode: 0o755, ..Meta::default() },
        }
    }

    /// Applies the next layer.
    ///
    /// # Errors
    /// When it holds something that no file system could: the error tells which entry.
    pub fn apply(&mut self, layer: &'a LayerIndex) -> Result<(), TreeError> {
        self.layers.push(layer);
        apply::layer(self, layer)?;
        for warning in &layer.warnings {
            self.keep_warning(|| warning.clone());
        }
        self.unsaid += layer.unsaid;
        Ok(())
    }

    /// What was odd in the layers applied so far, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let more = (self.unsaid > 0).then(|| format!("… and {} more warnings.", self.unsaid));
        self.warnings.iter().cloned().chain(more).collect()
    }

    fn warn(&mut self, path: &[u8], what: &str) {
        self.keep_warning(|| format!("`{}`: {what}.", oci::path::show(path)));
    }

    fn keep_warning(&mut self, warning: impl FnOnce() -> String) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(warning());
        } else {
            self.unsaid += 1;
        }
    }

    /// The layer of an entry.
    pub(crate) fn layer(&self, at: At) -> Option<&'a LayerIndex> {
        self.layers.get(at.layer as usize).copied()
    }

    /// A layer by its place.
    pub(crate) fn layer_at(&self, place: usize) -> Option<&'a LayerIndex> {
        self.layers.get(place).copied()
    }

    /// The layers, lowest first.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &'a LayerIndex> + use<'_, 'a> {
        self.layers.iter().copied()
    }

    fn item(&self, at: At) -> Option<Item<'a>> {
        self.layer(at)?.get(at.entry as usize)
    }

    fn inode(&self, id: Id) -> Option<&Inode> {
        self.inodes.get(id as usize)
    }

    pub(crate) fn inodes(&self) -> usize {
        self.inodes.len()
    }

    /// What an inode is, and which entry made it what it is. Directories have none.
    pub(crate) fn what(&self, id: Id) -> Option<(What<'a>, Option<At>)> {
        match self.inode(id)?.body {
            Body::Dir(_) => Some((What::Dir, None)),
            Body::Leaf(at) => Some((self.item(at)?.what, Some(at))),
        }
    }

    /// What is kept about an inode.
    pub(crate) fn meta(&self, id: Id) -> Option<&Meta> {
        match &self.inode(id)?.kept {
            Kept::Made => Some(&self.made),
            Kept::Of(at) => Some(self.item(*at)?.meta),
            Kept::Own(meta) => Some(meta),
        }
    }

    pub(crate) fn dir(&self, id: Id) -> Option<&Dir> {
        match &self.inode(id)?.body {
            Body::Dir(dir) => Some(dir),
            Body::Leaf(_) => None,
        }
    }

    fn names_mut(&mut self, id: Id) -> Option<&mut BTreeMap<Box<[u8]>, Name>> {
        match &mut self.inodes.get_mut(id as usize)?.body {
            Body::Dir(dir) => Some(&mut dir.names),
            Body::Leaf(_) => None,
        }
    }

    fn child(&self, dir: Id, name: &[u8]) -> Option<Name> {
        self.dir(dir)?.names.get(name).copied()
    }
}
