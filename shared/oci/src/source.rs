//! An image from outside, wherever it came from: what the factory flattens.

use std::io::Read;

use bytes::Bytes;
use tokio::runtime::Handle;

use crate::archive::{ArchiveError, ArchiveLayers};
use crate::digest::Digest;
use crate::manifest::{Descriptor, ImageConfig, ImageManifest, Platform};
use crate::registry::{RegistryError, RegistryImage, Repository, blocking_reader};

/// One platform's image, pinned, with its layers ready to be read.
#[derive(Debug, Clone)]
pub struct Image {
    /// What the name stood for when it was looked up: an index, or the same as `source_digest`.
    pub resolved: Digest,
    /// The manifest of this platform's image. For `docker save`'s older form, which has none, the config.
    pub source_digest: Digest,
    /// What it runs on; empty where neither index nor config says ([`Platform::is_unknown`]).
    pub platform: Platform,
    /// The config as it came, byte for byte.
    pub config: Bytes,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// Entries beside it that only tell about images (attestations) and were passed over.
    pub skipped: Vec<Digest>,
    bytes: LayerBytes,
}

/// What is known of a layer before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Of its bytes as stored, compressed or not. `docker save`'s older form does not say.
    pub digest: Option<Digest>,
    /// Of its plain tar, as the config claims. Whoever reads the layer proves it.
    pub diff_id: Digest,
    /// Of its bytes as stored.
    pub size: u64,
    /// What it is said to be. The bytes themselves tell how they are compressed.
    pub media_type: String,
}

#[derive(Debug, Clone)]
enum LayerBytes {
    Registry(Repository, Vec<Descriptor>),
    Archive(ArchiveLayers),
    /// Whoever made it has handed its layers over already.
    HandedOver,
}

/// A layer that could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    /// From a registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// From an archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl SourceError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Registry(e) => e.code(),
            Self::Archive(e) => e.code(),
        }
    }

    /// Whether trying again is of no use.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Registry(e) => e.is_permanent(),
            Self::Archive(e) => e.is_permanent(),
        }
    }
}

impl Image {
    /// Opens a layer, held to its digest and size where it has them. Blocks, and so does reading: call it on a
    /// thread that is not the runtime's.
    ///
    /// # Errors
    /// [`SourceError`]; while reading, the same inside an [`std::io::Error`].
    pub fn open_layer(&self, place: usize, runtime: &Handle) -> Result<Box<dyn Read + Send>, SourceError> {
        let none = || ArchiveError::Invalid(format!("there is no layer {place}"));
        match &self.bytes {
            LayerBytes::Archive(layers) => Ok(layers.open(place).ok_or_else(none)?),
            LayerBytes::HandedOver => Err(none().into()),
            LayerBytes::Registry(repository, layers) => {
                let blob = runtime.block_on(repository.blob(layers.get(place).ok_or_else(none)?))?;
                Ok(Box::new(blocking_reader(blob, runtime)))
            }
        }
    }

    /// Are its layers with whoever it was handed over to, and nowhere else?
    pub fn is_handed_over(&self) -> bool {
        matches!(self.bytes, LayerBytes::HandedOver)
    }

    /// Where its layers are, if in a registry: to ask whether these credentials may fetch one.
    pub fn repository(&self) -> Option<&Repository> {
        match &self.bytes {
            LayerBytes::Registry(repository, _) => Some(repository),
            LayerBytes::Archive(_) | LayerBytes::HandedOver => None,
        }
    }

    /// An image whose layers whoever made it has handed over, and that go by the digests of their tars.
    pub fn handed_over(manifest: &ImageManifest, config: ImageConfig) -> Self {
        let digest = Digest::of(&config.raw);
        let layer = |(descriptor, diff_id): (&Descriptor, &Digest)| Layer {
            digest: Some(diff_id.clone()),
            diff_id: diff_id.clone(),
            size: descriptor.size,
            media_type: descriptor.media_type.clone(),
        };
        Self {
            // The manifest says how the layers were compressed on their way. What was made is what the config says.
            resolved: digest.clone(),
            source_digest: digest,
            platform: config.platform.clone(),
            layers: manifest.layers.iter().zip(&config.diff_ids).map(layer).collect(),
            config: config.raw,
            skipped: Vec::new(),
            bytes: LayerBytes::HandedOver,
        }
    }

    pub(crate) fn in_archive(
        resolved: Digest,
        source_digest: Digest,
        config: ImageConfig,
        platform: Platform,
        layers: Vec<Layer>,
        skipped: Vec<Digest>,
        bytes: ArchiveLayers,
    ) -> Self {
        let bytes = LayerBytes::Archive(bytes);
        Self { resolved, source_digest, platform, config: config.raw, layers, skipped, bytes }
    }
}

impl From<RegistryImage> for Image {
    fn from(image: RegistryImage) -> Self {
        let layers = Layer::list(&image.manifest.layers, &image.config);
        Self {
            resolved: image.resolved,
            source_digest: image.manifest.digest,
            platform: image.platform,
            config: image.config.raw,
            layers,
            skipped: image.skipped,
            bytes: LayerBytes::Registry(image.repository, image.manifest.layers),
        }
    }
}

impl Layer {
    /// The layers of a manifest with the diff_ids of its config; both are of one length.
    pub(crate) fn list(descriptors: &[Descriptor], config: &ImageConfig) -> Vec<Self> {
        let one = |(descriptor, diff_id): (&Descriptor, &Digest)| Self {
            digest: Some(descriptor.digest.clone()),
            diff_id: diff_id.clone(),
            size: descriptor.size,
            media_type: descriptor.media_type.clone(),
        };
        descriptors.iter().zip(&config.diff_ids).map(one).collect()
    }
}
