//! Packs: immutable objects that hold the new chunks of one import.

mod file;
mod kept;
mod sweep;

pub(crate) use file::PackFile;
pub use kept::{Copied, Kept};
pub use sweep::PackEntry;

use std::{fmt, str::FromStr};
use uuid::Uuid;

/// Names a pack. The caller makes it, and records that it is being written, before any byte is: a crashed import's
/// pack can then be found and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackId(
    /// The id as databases keep it.
    pub Uuid,
);

impl PackId {
    /// A fresh id, sorting by time of making.
    #[expect(clippy::new_without_default, reason = "a default that differs each time would surprise")]
    pub fn new() -> PackId {
        PackId(Uuid::now_v7())
    }

    /// `packs/<last two hex digits>/<id>`. The last digits, since the first ones of a UUIDv7 are the clock:
    /// they would put all packs of a year into one directory.
    pub(crate) fn object(&self) -> String {
        let name = self.to_string();
        let shard = name.get(name.len().saturating_sub(2)..).unwrap_or_default();
        format!("packs/{shard}/{name}")
    }
}

impl FromStr for PackId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<PackId, uuid::Error> {
        text.parse().map(PackId)
    }
}

impl fmt::Display for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}
