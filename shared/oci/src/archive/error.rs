//! Why an archive is refused.

use std::io;

use crate::digest::DigestInvalid;
use crate::manifest::ManifestError;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Not an archive of an image.
    #[error("The archive cannot be imported: {0}.")]
    Invalid(String),
    /// A name that leads out.
    #[error("The archive holds a path that is refused: {0}")]
    Path(String),
    /// Something it names is not in it.
    #[error("The archive names `{0}`, but does not hold it.")]
    Missing(String),
    /// More than one image could be meant.
    #[error("The archive holds {0} images that could be meant; save just one.")]
    Ambiguous(usize),
    /// Too large.
    #[error("The archive cannot be imported: {what} has more than {most} bytes.")]
    TooLarge {
        /// What.
        what: String,
        /// How many bytes may be.
        most: u64,
    },
    /// Other bytes than the digest says.
    #[error("The archive is damaged: a part has the digest {got}, not {expected}.")]
    Mismatch {
        /// The digest it is named by.
        expected: String,
        /// The digest it has.
        got: String,
    },
    /// A manifest or config that is refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A digest that is none.
    #[error(transparent)]
    Digest(#[from] DigestInvalid),
    /// This machine's disk.
    #[error("The factory's disk failed while the archive was read.")]
    Disk(#[source] io::Error),
}

impl ArchiveError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) | Self::Missing(_) => "archive.invalid",
            Self::Path(_) => "archive.path",
            Self::Ambiguous(_) => "archive.ambiguous",
            Self::TooLarge { .. } => "archive.too_large",
            Self::Mismatch { .. } => "digest.mismatch",
            Self::Manifest(error) => error.code(),
            Self::Digest(_) => "digest.invalid",
            Self::Disk(_) => "factory.disk",
        }
    }

    /// Would trying again do nothing else?
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Disk(_))
    }
}
