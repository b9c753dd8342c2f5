//! `image.import.failed`: an import ended for good.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::ImageId;

/// An import failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageImportFailed {
    /// The image, back in `new`.
    pub image: ImageId,
    /// The last attempt.
    pub attempt: i64,
    /// A stable code.
    pub code: String,
    /// One sentence.
    pub message: String,
}

impl Event for ImageImportFailed {
    const SUBJECT: &'static str = "image.import.failed";
}
