//! Why a manifest, index or config is refused.

use crate::digest::DigestInvalid;

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not the shape.
    #[error("The answer is not an image manifest: {0}.")]
    Invalid(String),
    /// It could be read in two ways.
    #[error("The manifest is ambiguous: {0}.")]
    Ambiguous(String),
    /// Something else than a container image.
    #[error("The manifest cannot be imported: {0}.")]
    Unsupported(String),
    /// A size that cannot be one.
    #[error("A descriptor's size is wrong: {0}.")]
    Size(String),
    /// A digest that is none.
    #[error(transparent)]
    Digest(#[from] DigestInvalid),
    /// Too many of something.
    #[error("The manifest has more than {most} {what}.")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many may be.
        most: usize,
    },
    /// A layer compressed in a way that no registry may send.
    #[error("A layer has the media type `{0}`; tar, gzip and zstd can be read.")]
    LayerType(String),
    /// The config does not fit the manifest.
    #[error("The config does not fit the image: {0}.")]
    Config(String),
    /// The platform is not there.
    #[error("The image is not there for {wanted}; it is for: {}.", .there.join(", "))]
    NoPlatform {
        /// What was asked for.
        wanted: String,
        /// What there is.
        there: Vec<String>,
    },
    /// A platform that is none.
    #[error(
        "`{0}` is not a platform: `os/architecture` or `os/architecture/variant` is expected, as `linux/amd64`."
    )]
    Platform(String),
}

impl ManifestError {
    pub(crate) fn unsupported(why: &str) -> Self {
        Self::Unsupported(why.to_owned())
    }

    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "manifest.invalid",
            Self::Ambiguous(_) => "manifest.ambiguous",
            Self::Unsupported(_) => "manifest.unsupported",
            Self::Size(_) => "descriptor.size",
            Self::Digest(_) => "digest.invalid",
            Self::TooMany { .. } => "manifest.too_large",
            Self::LayerType(_) => "layer.media_type",
            Self::Config(_) => "config.mismatch",
            Self::NoPlatform { .. } => "platform.missing",
            Self::Platform(_) => "platform.invalid",
        }
    }
}
