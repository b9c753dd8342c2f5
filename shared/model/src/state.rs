//! The states of an image. They are the names users of the Cycle platform know.
//!
//! ```text
//! new ─► downloading | building | uploading ─► verifying ─► saving ─► live ─► deleting ─► deleted
//! ```
//!
//! There is no `failed`: a failed import puts the image back to `new` with its error, and it can be imported again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where an image is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A shell, or a shell whose last import failed.
    New,
    /// Layers are being fetched from a registry.
    Downloading,
    /// A Dockerfile is being built.
    Building,
    /// An uploaded archive is being read.
    Uploading,
    /// What was fetched is being checked and flattened.
    Verifying,
    /// What was stored is being checked before it goes live.
    Saving,
    /// Verified and servable.
    Live,
    /// Chosen to be let go; its bytes are being released.
    Deleting,
    /// Let go; the record remains.
    Deleted,
}

impl State {
    /// All states, in the order of an image's life.
    pub const ALL: [Self; 9] = [
        Self::New,
        Self::Downloading,
        Self::Building,
        Self::Uploading,
        Self::Verifying,
        Self::Saving,
        Self::Live,
        Self::Deleting,
        Self::Deleted,
    ];

    /// The name in rows, events and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Downloading => "downloading",
            Self::Building => "building",
            Self::Uploading => "uploading",
            Self::Verifying => "verifying",
            Self::Saving => "saving",
            Self::Live => "live",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }

    /// Is a factory working on it (or was, until its lease lapsed)?
    pub fn is_in_factory(self) -> bool {
        matches!(self, Self::Downloading | Self::Building | Self::Uploading | Self::Verifying)
    }

    /// May an import be asked for?
    pub fn can_import(self) -> bool {
        self == Self::New
    }

    /// May it be deleted?
    pub fn can_delete(self) -> bool {
        matches!(self, Self::New | Self::Live)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a state of an image")]
pub struct NotAState(String);

impl FromStr for State {
    type Err = NotAState;
    fn from_str(text: &str) -> Result<Self, NotAState> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| NotAState(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_rows_and_json() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert!("failed".parse::<State>().is_err());
    }
}
