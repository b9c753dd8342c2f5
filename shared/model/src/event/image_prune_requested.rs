//! `image.prune.requested`: choose unused images and let them go.

use serde::{Deserialize, Serialize};

use super::Event;

/// A prune is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagePruneRequested {
    /// The hub, by id or identifier. Needed in a bare payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// Only images of these sources, by id or identifier; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ids: Option<Vec<String>>,
    /// Only images live for at least this many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_age_seconds: Option<u64>,
    /// Keep at least this many of each source's newest live images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<u32>,
}

impl Event for ImagePruneRequested {
    const SUBJECT: &'static str = "image.prune.requested";
}
