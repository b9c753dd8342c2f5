//! `image.flattened`: fetched or built, flattened and stored; not yet verified.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::ImageId;

/// An image is stored flat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFlattened {
    /// The image.
    pub image: ImageId,
    /// The attempt that made it.
    pub attempt: i64,
    /// Digest of its manifest.
    pub digest: String,
    /// Digest of the flat layer's uncompressed tar.
    pub diff_id: String,
}

impl Event for ImageFlattened {
    const SUBJECT: &'static str = "image.flattened";
}
