//! Why a manifest, index or config was refused.

use crate::digest::DigestError;

/// A document that cannot be used as an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not a manifest at all, or a malformed one. Code `manifest.invalid`.
    #[error("the manifest is not valid: {0}")]
    Invalid(String),
    /// Two readers could understand it differently. Code `manifest.ambiguous`.
    #[error("the manifest can be read in two ways, so it is refused: {0}")]
    Ambiguous(String),
    /// Valid, but not an image that can be imported. Code `manifest.unsupported`.
    #[error("{0}")]
    Unsupported(String),
    /// A descriptor with an impossible size. Code `descriptor.size`.
    #[error("a descriptor in the manifest has the impossible size {0}")]
    DescriptorSize(String),
    /// A malformed digest. Code `digest.invalid`.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// More layers than are accepted. Code `manifest.too_many_layers`.
    #[error("the image has {count} layers; at most {max} are accepted")]
    TooManyLayers {
        /// Layers in the manifest.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A layer compressed in a way that is not read. Code `layer.media_type`.
    #[error("the layer type {0} is not supported; layers are tar, plain or with gzip or zstd")]
    LayerMediaType(String),
    /// An index with too many entries. Code `index.too_large`.
    #[error("the index lists {count} images; at most {max} are accepted")]
    IndexTooLarge {
        /// Entries in the index.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// An index whose entries do not say what they are for, and too many of which were not it. Code `index.too_large`.
    #[error(
        "the index lists more than {0} images that would have to be looked at; say which platform, or make it smaller"
    )]
    IndexUnclear(usize),
    /// Indexes in indexes in indexes, or in circles. Code `index.nested`.
    #[error("the index contains indexes nested more than {0} deep, or itself")]
    IndexNested(usize),
    /// No image for the wanted platform. Code `platform.missing`.
    #[error("there is no image for {wanted}; there is: {existing}")]
    PlatformMissing {
        /// What was asked for.
        wanted: String,
        /// What there is, separated by commas.
        existing: String,
    },
    /// A malformed config. Code `config.invalid`.
    #[error("the image's config is not valid: {0}")]
    ConfigInvalid(String),
    /// Config and manifest do not belong together. Code `config.mismatch`.
    #[error("the image's config does not fit its manifest: {0}")]
    ConfigMismatch(String),
}

impl ManifestError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "manifest.invalid",
            Self::Ambiguous(_) => "manifest.ambiguous",
            Self::Unsupported(_) => "manifest.unsupported",
            Self::DescriptorSize(_) => "descriptor.size",
            Self::Digest(e) => e.code(),
            Self::TooManyLayers { .. } => "manifest.too_many_layers",
            Self::LayerMediaType(_) => "layer.media_type",
            Self::IndexTooLarge { .. } | Self::IndexUnclear(_) => "index.too_large",
            Self::IndexNested(_) => "index.nested",
            Self::PlatformMissing { .. } => "platform.missing",
            Self::ConfigInvalid(_) => "config.invalid",
            Self::ConfigMismatch(_) => "config.mismatch",
        }
    }

    /// Always true: the same bytes are refused again.
    pub fn is_permanent(&self) -> bool {
        true
    }
}
