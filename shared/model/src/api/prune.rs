//! Pruning and storage in the API.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ImageId;

/// `POST /v1/images/tasks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub enum Prune {
    /// Let unused images go.
    Prune {
        /// Which.
        #[serde(default)]
        contents: PruneContents,
    },
}

/// Which images to let go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneContents {
    /// Only these sources, by id or identifier; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ids: Option<Vec<String>>,
    /// Only images live for at least this long: `15m`, `36h`, `7d`, `0s`. 15 minutes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_age: Option<String>,
    /// Keep this many of each source's newest live images; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<u32>,
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a prune did or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneReport {
    /// Was nothing done?
    pub dry_run: bool,
    /// What goes.
    pub images: Vec<PrunedImage>,
    /// Bytes that come back in the store when all of these are gone.
    pub bytes_freed: u64,
}

/// One image that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedImage {
    /// Its id.
    pub id: ImageId,
    /// Its name.
    pub name: String,
    /// When it was last pulled.
    pub last_used: Option<DateTime<Utc>>,
    /// Why it goes.
    pub reason: String,
    /// Bytes of its flat layer.
    pub size: u64,
}

/// Something accepted that goes on by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The image it works on.
    pub id: ImageId,
    /// What was accepted.
    pub action: String,
}

/// `GET /v1/hubs/current/image-storage`. All bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// Compressed bytes of the chunks the hub's images use, each counted once.
    pub used: u64,
    /// The sum of the flat layers of its live images: what they would take without sharing.
    pub flat: u64,
    /// What sharing saves: `flat` less `used`.
    pub shared: u64,
    /// Bytes of the whole store that no image of any hub uses, until they are reclaimed.
    pub dead: u64,
    /// Live images.
    pub images: i64,
    /// Live images with bytes that a scrub found damaged; importing them again heals them.
    pub damaged: i64,
    /// The most the hub may use; null for no limit.
    pub limit: Option<u64>,
    /// The same by source, the largest first.
    pub sources: Vec<SourceStorage>,
}

/// What the live images of a source take. All bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStorage {
    /// The source's identifier.
    pub source: String,
    /// Live images.
    pub images: i64,
    /// The sum of their flat layers.
    pub flat: u64,
    /// Compressed bytes of the chunks they use, each counted once.
    pub used: u64,
    /// Those of them that no other source of the hub uses: what is freed when all of them go.
    pub own: u64,
}
