//! What a layer hides of those below, by names alone.
//!
//! The model decides what is in the flat layer. This only tells what will most likely not be, while layers are still being
//! read: links can make it wrong in both directions, and then a content is stored for nothing, or its layer read again.

use std::collections::HashSet;

use crate::index::{LayerIndex, What};

/// The names that a layer deletes or replaces.
#[derive(Debug, Default)]
pub struct Hides {
    /// These paths, and what is below them.
    gone: HashSet<Box<[u8]>>,
    /// What is below these paths.
    emptied: HashSet<Box<[u8]>>,
}

impl Hides {
    /// Those of a layer.
    pub fn of(layer: &LayerIndex) -> Self {
        let mut hides = Self::default();
        for (_, item) in layer.iter() {
            match item.what {
                What::Dir => {}
                What::Opaque => {
                    hides.emptied.insert(item.path.into());
                }
                _ => {
                    hides.gone.insert(item.path.into());
                }
            }
        }
        hides
    }

    /// Is this path hidden?
    pub fn hides(&self, path: &[u8]) -> bool {
        if self.gone.contains(path) || self.emptied.contains(&b""[..]) {
            return true;
        }
        let mut above = path;
        while let Some(slash) = above.iter().rposition(|byte| *byte == b'/') {
            above = above.get(..slash).unwrap_or_default();
            if self.gone.contains(above) || self.emptied.contains(above) {
                return true;
            }
        }
        false
    }
}
