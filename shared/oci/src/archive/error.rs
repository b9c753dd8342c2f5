//! Why an archive was refused.

use std::io;
use std::sync::Arc;

use crate::digest::{Digest, DigestError, Mismatch};
use crate::manifest::ManifestError;

/// An archive that cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ArchiveError {
    /// Damaged, or no image archive at all. Code `archive.invalid`.
    #[error("this is not an image archive that can be read: {0}")]
    Invalid(String),
    /// A path in it leads outside. Code `archive.path`.
    #[error("a path in the archive leads outside of it: {0}")]
    Path(String),
    /// It can be read in two ways, or has several images. Code `archive.ambiguous`.
    #[error("the archive is ambiguous: {0}")]
    Ambiguous(String),
    /// Nothing in it has the name. Code `archive.not_found`.
    #[error("the archive has no image named {wanted}; it has: {existing}")]
    NotFound {
        /// The name asked for.
        wanted: String,
        /// The names there are, separated by commas.
        existing: String,
    },
    /// Larger than is accepted. Code `archive.too_large`.
    #[error("the archive is too large: {0}")]
    TooLarge(String),
    /// A form that is not read. Code `archive.unsupported`.
    #[error("the archive cannot be read: {0}")]
    Unsupported(String),
    /// A layer that is kept elsewhere. Code `layer.foreign`.
    #[error("layer {0} is kept outside the archive, and nothing is fetched from there")]
    Foreign(Digest),
    /// The disk. Code `archive.io`.
    #[error("{what}: {cause}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's answer.
        cause: Arc<io::Error>,
    },
    /// Content is not what its digest or size says. Codes `digest.mismatch`, `descriptor.size`.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// Its manifest, index or config is no usable image.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl From<DigestError> for ArchiveError {
    fn from(error: DigestError) -> Self {
        Self::Manifest(error.into())
    }
}

impl ArchiveError {
    pub(super) fn io(what: &str, cause: io::Error) -> Self {
        Self::Io { what: what.to_owned(), cause: Arc::new(cause) }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "archive.invalid",
            Self::Path(_) => "archive.path",
            Self::Ambiguous(_) => "archive.ambiguous",
            Self::NotFound { .. } => "archive.not_found",
            Self::TooLarge(_) => "archive.too_large",
            Self::Unsupported(_) => "archive.unsupported",
            Self::Foreign(_) => "layer.foreign",
            Self::Io { .. } => "archive.io",
            Self::Mismatch(e) => e.code(),
            Self::Manifest(e) => e.code(),
        }
    }

    /// Whether trying again is of no use: true for all but the disk's own failures.
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Io { .. })
    }
}
