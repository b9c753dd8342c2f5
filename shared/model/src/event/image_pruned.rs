//! `image.pruned`: an image was let go; its bytes may be reclaimed.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::ImageId;

/// An image was let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePruned {
    /// The image, in `deleting`.
    pub image: ImageId,
    /// Why: `unused`, `deleted`.
    pub reason: String,
}

impl Event for ImagePruned {
    const SUBJECT: &'static str = "image.pruned";
}
