//! `image.live`: verified and servable.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::{ImageId, SourceId};

/// An image is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageLive {
    /// The image.
    pub image: ImageId,
    /// Its source.
    pub source: SourceId,
    /// Its name.
    pub name: String,
    /// Digest of its manifest: pull by it.
    pub digest: String,
    /// Digest of the flat layer's uncompressed tar: the image's identity.
    pub diff_id: String,
    /// Digest of what was imported.
    pub source_digest: String,
    /// Bytes of the flat layer.
    pub size: u64,
}

impl Event for ImageLive {
    const SUBJECT: &'static str = "image.live";
}
