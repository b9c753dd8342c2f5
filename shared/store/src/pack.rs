//! Packs: immutable objects that hold many chunks.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use object_store::path::Path as Key;

/// The name of a pack: 32 hex digits, chosen before its first byte is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackId(String);

/// A pack that is there.
#[derive(Debug, Clone)]
pub struct PackInfo {
    /// Its name.
    pub id: PackId,
    /// Bytes.
    pub size: u64,
    /// How long ago it was written.
    pub age: Duration,
}

impl PackId {
    /// A fresh name.
    #[expect(clippy::new_without_default, reason = "a default that differs each time would surprise")]
    pub fn new() -> Self {
        // The random end goes first, so that packs spread over the directories.
        let id = uuid::Uuid::now_v7().simple().to_string();
        Self(id.chars().rev().collect())
    }

    /// Two digits are the directory: no directory grows too large.
    pub(crate) fn key(&self) -> Key {
        Key::from(format!("packs/{}/{}", self.0.get(..2).unwrap_or("00"), self.0))
    }
}

impl fmt::Display for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no name of a pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a pack's name is 32 hex digits")]
pub struct NotAPack;

impl FromStr for PackId {
    type Err = NotAPack;
    fn from_str(text: &str) -> std::result::Result<Self, NotAPack> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 32 && text.bytes().all(hex) { Ok(Self(text.to_owned())) } else { Err(NotAPack) }
    }
}
