//! An image in a registry, chosen for one platform and pinned.

use super::{Fetched, RegistryError, Repository};
use crate::digest::{Digest, Mismatch};
use crate::manifest::{
    Descriptor, ImageConfig, ImageManifest, MAX_DOCUMENT, ManifestError, Platform, Step, Walk,
};
use crate::reference::TagOrDigest;

/// The manifest and config of one platform's image; its layers are fetched with [`Repository::blob`].
#[derive(Debug, Clone)]
pub struct RegistryImage {
    /// Where its layers are.
    pub repository: Repository,
    /// What the reference pointed to when it was asked for: the digest of the index, or of the manifest itself.
    pub resolved: Digest,
    /// The manifest.
    pub manifest: ImageManifest,
    /// The config.
    pub config: ImageConfig,
    /// Entries of the index that were passed over because they only tell about images.
    pub skipped: Vec<Digest>,
}

impl Repository {
    /// Follows a reference through indexes to the image for a platform, and fetches its config.
    ///
    /// # Errors
    /// Every [`RegistryError`], those of manifests and configs included.
    pub async fn image(
        &self,
        wanted: &TagOrDigest,
        platform: &Platform,
    ) -> Result<RegistryImage, RegistryError> {
        let first = self.manifest(wanted).await?;
        let resolved = first.digest.clone();
        let mut walk = Walk::new(platform.clone());
        let mut step = walk.take(first.document()?)?;
        loop {
            match step {
                Step::Read(entry) => step = walk.take(self.entry(&entry).await?.document()?)?,
                Step::Found(manifest) => {
                    let config = self.config(&manifest.config).await?;
                    config.fits(manifest.layers.len())?;
                    match walk.judge(&config)? {
                        Some(next) => step = next,
                        None => {
                            let skipped = walk.skipped;
                            let repository = self.clone();
                            return Ok(RegistryImage {
                                repository,
                                resolved,
                                manifest: *manifest,
                                config,
                                skipped,
                            });
                        }
                    }
                }
            }
        }
    }

    /// A manifest an index lists, with the size it is listed with.
    async fn entry(&self, entry: &Descriptor) -> Result<Fetched, RegistryError> {
        let fetched = self.manifest(&entry.digest.clone().into()).await?;
        let found = fetched.bytes.len() as u64;
        if found != entry.size {
            let digest = entry.digest.clone();
            return Err(Mismatch::Size { digest, expected: entry.size, found: found.to_string() }.into());
        }
        Ok(fetched)
    }

    async fn config(&self, descriptor: &Descriptor) -> Result<ImageConfig, RegistryError> {
        if descriptor.size > MAX_DOCUMENT {
            let why = format!("it is larger than {MAX_DOCUMENT} bytes");
            return Err(ManifestError::ConfigInvalid(why).into());
        }
        Ok(ImageConfig::parse(self.blob_bytes(descriptor, MAX_DOCUMENT).await?)?)
    }
}
