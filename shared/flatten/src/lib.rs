//! Many layers in, one layer out: the heart.
//!
//! One rule: the flat layer, applied to an empty directory, gives the same file system as applying the original
//! layers in order. So layers are applied forward, to a model of paths and inodes; reading the newest layer first and
//! skipping what was seen is the classic shortcut, and wrong with hardlinks. Contents are never held in the model.
//!
//! ```text
//! read_layer ×n ─► LayerIndex ─► Tree::apply ─► emit ─► Sink (the store)
//!                  + Contents                    └► certificate == certify(flat bytes)
//! ```
//!
//! The output is a function of the input alone: entries stand in the order of the layer that last set them, so that a
//! revision shares all bytes before its changed layer, and nothing is ever "now".

mod certificate;
mod config;
mod contents;
mod emit;
mod flat_index;
mod index;
mod read_back;
mod source;
mod tree;
mod write;

pub use certificate::{Certificate, certify};
pub use config::{ConfigError, FlatManifest, flat_config, flat_manifest};
pub use contents::Contents;
pub use emit::{Flat, emit};
pub use flat_index::{IndexEntry, flat_index};
pub use index::{Content, Item, LayerIndex, What, read_layer};
pub use read_back::{ReadBack, read_back};
pub use tree::{Tree, TreeError};
pub use write::{BIG, Sink};

/// The version of the rules above. Whoever changes what comes out for any input counts it up, so that what was flattened
/// by the old rules is not taken for what the new ones give.
pub const RULES: i32 = 1;
