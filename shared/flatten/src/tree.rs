//! The forward model: paths and inodes, to which layers are applied in order.
//!
//! A layer is applied in two passes, since whiteouts act on the layers below wherever they stand in their own: first
//! every deletion, against the tree as the layers below left it, then every entry in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use oci::layer::{Kind, Meta};

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

/// How far a directory is from the root. It never moves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reach {
    /// Bytes of its path, with a slash after each name.
    bytes: u16,
    /// Names of its path.
    depth: u16,
}

#[derive(Debug)]
pub(crate) enum Body {
    Dir { parent: Id, reach: Reach, names: BTreeMap<Box<[u8]>, Name> },
    File { content: Content, layer: u32 },
    Symlink(Box<[u8]>),
    Device(Kind),
}

#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) body: Body,
    pub(crate) meta: Arc<Meta>,
}

/// The file system that the layers applied so far make.
#[derive(Debug)]
pub struct Tree {
    pub(crate) inodes: Vec<Inode>,
    /// Where the root's own attributes were set, if any layer did.
    pub(crate) root: Option<Place>,
    layers: u32,
    warnings: Vec<String>,
}

/// What a parent is that no layer has an entry for.
fn missing_parent() -> Arc<Meta> {
    Arc::new(Meta { mode: 0o755, ..Meta::default() })
}

impl Default for Tree {
    fn default() -> Self {
        let root = Inode {
            body: Body::Dir { parent: ROOT, reach: Reach::default(), names: BTreeMap::new() },
            meta: missing_parent(),
        };
        Self { inodes: vec![root], root: None, layers: 0, warnings: Vec::new() }
    }
}

impl Tree {
    /// Applies the next layer.
    ///
    /// # Errors
    /// When it holds something that no file system could: the error tells which entry.
    pub fn apply(&mut self, layer: &LayerIndex) -> Result<(), TreeError> {
        apply::layer(self, &layer.items)?;
        self.warnings.extend(layer.warnings.iter().take(1000 - self.warnings.len().min(1000)).cloned());
        self.layers += 1;
        Ok(())
    }

    /// What was odd in the layers applied so far, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(crate) fn warn(&mut self, path: &[u8], what: &str) {
        if self.warnings.len() < 1000 {
            self.warnings.push(format!("`{}`: {what}.", oci::path::show(path)));
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
pub(crate) fn body(item: &Item, layer: u32, parent: Id, reach: Reach) -> Option<Body> {
    Some(match &item.what {
        What::File(content) => Body::File { content: *content, layer },
        What::Other(Kind::Dir) => Body::Dir { parent, reach, names: BTreeMap::new() },
        What::Other(Kind::Symlink(target)) => Body::Symlink(target.as_slice().into()),
        What::Other(kind @ (Kind::Char(..) | Kind::Block(..) | Kind::Fifo)) => Body::Device(kind.clone()),
        What::Other(_) => return None,
    })
}
