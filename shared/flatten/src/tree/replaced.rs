//! Directories of a layer that take the place of a symbolic link.
//!
//! Such a directory has nothing from the layers below, so a marker in it deletes nothing: not what the link led to either,
//! wherever in the layer the marker stands.

use std::collections::BTreeSet;

use super::Tree;
use super::error::Why;
use super::resolve::Missing;
use crate::index::{LayerIndex, What};

/// The uppermost of them, as keys in whose order what is in a directory follows it.
#[derive(Debug, Default)]
pub(super) struct Replaced(BTreeSet<Vec<u8>>);

/// A path with a NUL, which no path holds, for every slash and at its end.
fn key(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).chain([0]).collect()
}

impl Replaced {
    /// Those of a layer, by the tree of the layers below. The error tells the entry.
    pub(super) fn of(tree: &mut Tree<'_>, layer: &LayerIndex) -> Result<Self, (usize, Why)> {
        let mut found = BTreeSet::new();
        for (entry, item) in layer.iter().filter(|(_, item)| item.what == What::Dir) {
            match tree.place_of(item.path, Missing::Stop) {
                Ok(Some((dir, name))) => {
                    let there = tree.child(dir, name).and_then(|there| tree.what(there.inode));
                    if matches!(there, Some((What::Symlink(_), _))) {
                        found.insert(key(item.path));
                    }
                }
                Err(Why::TooCostly) => return Err((entry, Why::TooCostly)),
                Ok(None) | Err(_) => {}
            }
        }
        let mut last: Option<Vec<u8>> = None;
        found.retain(|key| {
            let inside = last.as_ref().is_some_and(|last| key.starts_with(last));
            if !inside {
                last = Some(key.clone());
            }
            !inside
        });
        Ok(Self(found))
    }

    /// Is a path inside one of them?
    pub(super) fn holds(&self, path: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let path = key(path);
        // None is inside another, so nothing stands between a path and the one it is in.
        let before = self.0.range(..path.clone()).next_back();
        before.is_some_and(|before| path.starts_with(before))
    }
}
