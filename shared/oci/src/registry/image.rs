//! Images in a registry, chosen by platform and pinned.

use super::{Fetched, RegistryError, Repository};
use crate::digest::{Digest, Mismatch};
use crate::manifest::{
    Descriptor, ImageConfig, ImageManifest, MAX_DOCUMENT, ManifestError, Platform, Platforms, Step, Walk,
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
    /// What it runs on: as the index says, else as the config does.
    pub platform: Platform,
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
        let mut found = self.walk(wanted, Some(platform.clone())).await?;
        let nothing = || ManifestError::Invalid("it leads nowhere".into());
        Ok(found.pop().ok_or_else(nothing)?)
    }

    /// The images for several platforms, in the order they are asked for, or for all in that of the index. One that
    /// serves two platforms is there once.
    ///
    /// # Errors
    /// As [`Repository::image`].
    pub async fn images(
        &self,
        wanted: &TagOrDigest,
        platforms: &Platforms,
    ) -> Result<Vec<RegistryImage>, RegistryError> {
        let Platforms::These(platforms) = platforms else { return self.walk(wanted, None).await };
        let mut found: Vec<RegistryImage> = Vec::new();
        for platform in platforms {
            // A tag may move meanwhile: all platforms come from what it stood for at first.
            let pinned = found.first().map(|first| TagOrDigest::from(first.resolved.clone()));
            let image = self.image(pinned.as_ref().unwrap_or(wanted), platform).await?;
            if !found.iter().any(|known| known.manifest.digest == image.manifest.digest) {
                found.push(image);
            }
        }
        Ok(found)
    }

    /// The image for one platform, or those for all: the first for each. Never empty.
    async fn walk(
        &self,
        wanted: &TagOrDigest,
        platform: Option<Platform>,
    ) -> Result<Vec<RegistryImage>, RegistryError> {
        let first = self.manifest(wanted).await?;
        let resolved = first.digest.clone();
        let mut walk = Walk::new(platform);
        let mut step = walk.take(first.document()?)?;
        let mut found: Vec<RegistryImage> = Vec::new();
        loop {
            match step {
                Step::Read(entry) => step = walk.take(self.entry(&entry).await?.document()?)?,
                Step::Found(manifest) => {
                    let config = self.config(&manifest.config).await?;
                    config.fits(manifest.layers.len())?;
                    if let Some(next) = walk.judge(&config)? {
                        step = next;
                        continue;
                    }
                    let platform = walk.platform(&config);
                    if !found.iter().any(|image| image.platform == platform) {
                        let (repository, resolved) = (self.clone(), resolved.clone());
                        let (manifest, skipped) = (*manifest, walk.skipped.clone());
                        found.push(RegistryImage {
                            repository,
                            resolved,
                            manifest,
                            config,
                            platform,
                            skipped,
                        });
                    }
                    match walk.further()? {
                        Some(next) => step = next,
                        None => return Ok(found),
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
