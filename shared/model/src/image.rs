//! What is recorded about a flat image.

use serde::{Deserialize, Serialize};

/// Figures of one flattening. Sizes are bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlatFigures {
    /// Layers that went in.
    pub layers_in: u32,
    /// Compressed bytes of those layers.
    pub bytes_in: u64,
    /// Bytes of the flat layer's blob.
    pub bytes_out: u64,
    /// Bytes of the flat layer's tar, uncompressed.
    pub bytes_plain: u64,
    /// Bytes that were new to the store.
    pub bytes_new: u64,
    /// Entries in the flat layer.
    pub entries: u64,
    /// Digest of the file tree, from the layered model; the distributor computes it again from the stored bytes. Of an
    /// image for several platforms, a digest over theirs.
    pub certificate: String,
    /// From the first byte fetched to the last byte stored.
    pub duration_ms: u64,
    /// The same for each platform; the figures above are their sums.
    #[serde(default)]
    pub platforms: Vec<FlatPlatform>,
}

/// The flat image of one platform. Sizes are bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlatPlatform {
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// Digest of its flat manifest.
    pub digest: String,
    /// Digest of the flat layer's blob.
    pub layer: String,
    /// Digest of the flat layer's uncompressed tar.
    pub diff_id: String,
    /// Digest of what was flattened: the platform's manifest at its source.
    pub source_digest: String,
    /// Layers that went in.
    pub layers_in: u32,
    /// Compressed bytes of those layers.
    pub bytes_in: u64,
    /// Bytes of the flat layer's blob.
    pub bytes_out: u64,
    /// Bytes of the flat layer's tar, uncompressed.
    pub bytes_plain: u64,
    /// Entries in the flat layer.
    pub entries: u64,
    /// Digest of its file tree.
    pub certificate: String,
    /// It had been flattened before, in this hub: nothing was read again.
    pub known: bool,
}

/// One content-addressed thing a live image serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// What it is.
    pub kind: ServedKind,
    /// `sha256:<hex>`.
    pub digest: String,
    /// The media type a client is told.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
}

/// The kinds of things an image serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServedKind {
    /// An index over the flat manifests of several platforms.
    Index,
    /// A flat manifest.
    Manifest,
    /// A config.
    Config,
    /// A flat layer.
    Layer,
}

impl ServedKind {
    /// The name in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Manifest => "manifest",
            Self::Config => "config",
            Self::Layer => "layer",
        }
    }
}
