//! The forward model: paths and inodes, to which layers are applied in order.
//!
//! A layer is applied in two passes, since whiteouts act on the layers below wherever they stand in their own: first
//! every deletion, against the tree as the layers below left it, then every entry in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use oci::layer::{Kind, Meta};
use oci::limits::Limits;

use crate::index::{Content, Item, LayerIndex, What};

mod apply;
mod error;
mod resolve;

pub use error::TreeError;

/// An inode's number.
pub(crate) type Id = u32;

pub(crate) const ROOT: Id = 0;

/// Where a path was last set: layer, entry, and a place for parents that had to be made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) layer: u32,
    pub(crate) entry: u32,
    pub(crate) step: u16,
}

/// A name in a directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(crate) inode: Id,
    pub(crate) place: Place,
}

#[derive(Debug)]
pub(crate) enum Body {
    Dir { parent: Id, span: Span, names: BTreeMap<Box<[u8]>, Name> },
    File { content: Content, layer: u32 },
    Symlink(Box<[u8]>),
    Device(Kind),
}

#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) body: Body,
    pub(crate) meta: Arc<Meta>,
}

/// How far a directory is from the root. Directories never move, so it is known when they are made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    /// Bytes of its path.
    bytes: u16,
    /// Components of its path.
    depth: u16,
}

/// The file system that the layers applied so far make.
#[derive(Debug)]
pub struct Tree {
    pub(crate) inodes: Vec<Inode>,
    /// Where the root's own attributes were set, if any layer did.
    pub(crate) root: Option<Place>,
    layers: u32,
    limits: Limits,
    /// Components of symbolic links' targets followed so far.
    followed: u64,
    /// Names set so far, and bytes of their whole paths.
    names: u64,
    text: u64,
    warnings: Vec<String>,
    unsaid: u64,
}

/// What a parent is that no layer has an entry for.
fn missing_parent() -> Arc<Meta> {
    Arc::new(Meta { mode: 0o755, ..Meta::default() })
}

/// Warnings of an image beyond this are only counted: they are kept in its row and its log.
const WARNINGS: usize = 200;

impl Default for Tree {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Tree {
    /// An empty file system, within limits.
    pub fn new(limits: Limits) -> Self {
        let body = Body::Dir { parent: ROOT, span: Span::default(), names: BTreeMap::new() };
        let root = Inode { body, meta: missing_parent() };
        Self {
            inodes: vec![root],
            root: None,
            layers: 0,
            limits,
            followed: 0,
            names: 0,
            text: 0,
            warnings: Vec::new(),
            unsaid: 0,
        }
    }

    /// Applies the next layer.
    ///
    /// # Errors
    /// When it holds something that no file system could: the error tells which entry.
    pub fn apply(&mut self, layer: &LayerIndex) -> Result<(), TreeError> {
        apply::layer(self, &layer.items)?;
        for warning in &layer.warnings {
            self.keep_warning(|| warning.clone());
        }
        self.unsaid += layer.unsaid;
        self.layers += 1;
        Ok(())
    }

    /// What was odd in the layers applied so far, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let more = (self.unsaid > 0).then(|| format!("… and {} more warnings.", self.unsaid));
        self.warnings.iter().cloned().chain(more).collect()
    }

    pub(crate) fn warn(&mut self, path: &[u8], what: &str) {
        self.keep_warning(|| format!("`{}`: {what}.", oci::path::show(path)));
    }

    fn keep_warning(&mut self, warning: impl FnOnce() -> String) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(warning());
        } else {
            self.unsaid += 1;
        }
    }

    pub(crate) fn inode(&self, id: Id) -> Option<&Inode> {
        self.inodes.get(id as usize)
    }

    pub(crate) fn names(&self, id: Id) -> Option<&BTreeMap<Box<[u8]>, Name>> {
        match &self.inode(id)?.body {
            Body::Dir { names, .. } => Some(names),
            _ => None,
        }
    }

    pub(crate) fn names_mut(&mut self, id: Id) -> Option<&mut BTreeMap<Box<[u8]>, Name>> {
        match &mut self.inodes.get_mut(id as usize)?.body {
            Body::Dir { names, .. } => Some(names),
            _ => None,
        }
    }

    pub(crate) fn child(&self, dir: Id, name: &[u8]) -> Option<Name> {
        self.names(dir)?.get(name).copied()
    }

    pub(crate) fn is_dir(&self, id: Id) -> bool {
        matches!(self.inode(id), Some(Inode { body: Body::Dir { .. }, .. }))
    }

    /// Every name, in the order it is written; paths are those of the tree, whatever symlinks they were set through.
    pub(crate) fn walk(&self) -> Vec<(Place, Box<[u8]>, Id)> {
        let mut found = Vec::new();
        let mut dirs: Vec<(Box<[u8]>, Id)> = vec![(Box::default(), ROOT)];
        while let Some((path, dir)) = dirs.pop() {
            for (name, target) in self.names(dir).into_iter().flatten() {
                let full: Box<[u8]> =
                    if path.is_empty() { name.clone() } else { [&path, &b"/"[..], name].concat().into() };
                if self.is_dir(target.inode) {
                    dirs.push((full.clone(), target.inode));
                }
                found.push((target.place, full, target.inode));
            }
        }
        if let Some(place) = self.root {
            found.push((place, Box::default(), ROOT));
        }
        // Places are unique but for names moved into one by the same entry, which cannot be: the path decides.
        found.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        found
    }
}

/// The body of an inode for an entry that is no link and no marker.
pub(crate) fn body(item: &Item, layer: u32, parent: Id, span: Span) -> Option<Body> {
    Some(match &item.what {
        What::File(content) => Body::File { content: *content, layer },
        What::Other(Kind::Dir) => Body::Dir { parent, span, names: BTreeMap::new() },
        What::Other(Kind::Symlink(target)) => Body::Symlink(target.as_slice().into()),
        What::Other(kind @ (Kind::Char(..) | Kind::Block(..) | Kind::Fifo)) => Body::Device(kind.clone()),
        What::Other(_) => return None,
    })
}
