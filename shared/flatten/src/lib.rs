#![doc = include_str!("../README.md")]

mod certificate;
mod config;
mod contents;
mod emit;
mod flat_index;
mod hides;
mod index;
mod plan;
mod proof;
mod read_back;
mod source;
mod tree;
mod write;

pub use certificate::{Certificate, certify};
pub use config::{ConfigError, FlatManifest, flat_config, flat_manifest};
pub use contents::Contents;
pub use emit::emit;
pub use flat_index::{IndexEntry, flat_index};
pub use hides::Hides;
pub use index::{Content, INDEX_VERSION, Item, LargeFiles, LayerIndex, Place, What, read_layer};
pub use plan::{Cuts, Flat, Keep, Piece, Plan};
pub use proof::{BatchKey, Composer, Proof, prove};
pub use read_back::{ReadBack, read_back};
pub use tree::{Tree, TreeError};
pub use write::BIG;

/// The version of the rules above. Whoever changes what comes out for any input counts it up, so that what was flattened
/// by the old rules is not taken for what the new ones give.
pub const RULES: i32 = 1;
