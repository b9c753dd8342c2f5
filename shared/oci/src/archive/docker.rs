//! What `docker save` wrote before it wrote OCI layouts, and podman, skopeo, kaniko and others still do.
//!
//! `manifest.json` names a config and the layers, by paths. The layers are tars, mostly plain, with no digest but
//! the diff_id in the config, which reading them proves or refutes.

use serde::Deserialize;

use super::image::{ArchiveLayers, Layer as Bytes};
use super::shelf::{Shelf, hold};
use super::{ArchiveError, Listed, same_name};
use crate::digest::{Digest, printable};
use crate::manifest::{
    ImageConfig, MAX_DOCUMENT, MAX_LAYERS, ManifestError, Platform, check_json, media_type,
};
use crate::source::{Image, Layer};

/// The file that makes a tar an output of `docker save`.
pub(super) const MANIFEST: &str = "manifest.json";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Raw {
    config: String,
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Saved {
    images: Vec<SavedImage>,
}

#[derive(Debug)]
struct SavedImage {
    names: Vec<String>,
    config: ImageConfig,
    /// Of the config: what Docker calls the image id.
    digest: Digest,
    layers: Vec<String>,
}

impl Saved {
    pub(super) fn read(shelf: &Shelf) -> Result<Self, ArchiveError> {
        let bytes = shelf.read(MANIFEST, MAX_DOCUMENT)?;
        let invalid = |why: String| ArchiveError::Invalid(format!("its manifest.json is malformed: {why}"));
        check_json(&bytes, MAX_DOCUMENT).map_err(|e| invalid(e.0))?;
        let raw: Vec<Raw> =
            serde_json::from_slice(&bytes).map_err(|e| invalid(printable(&e.to_string(), 200)))?;
        if raw.is_empty() {
            return Err(ArchiveError::Invalid("it has no image".into()));
        }
        if raw.len() > MAX_IMAGES {
            return Err(ArchiveError::TooLarge(format!("it has more than {MAX_IMAGES} images")));
        }
        let images = raw.into_iter().map(|image| SavedImage::read(shelf, image)).collect::<Result<_, _>>()?;
        Ok(Self { images })
    }

    pub(super) fn images(&self) -> Vec<Listed> {
        let listed = |image: &SavedImage| Listed {
            names: image.names.clone(),
            digest: image.digest.clone(),
            platform: Some(image.config.platform.clone()).filter(|p| !p.is_unknown()),
        };
        self.images.iter().map(listed).collect()
    }

    pub(super) fn select(
        &self,
        shelf: &Shelf,
        platform: &Platform,
        name: Option<&str>,
    ) -> Result<Image, ArchiveError> {
        let fits = |image: &SavedImage| match name {
            None => true,
            Some(wanted) => {
                image.names.iter().any(|name| same_name(name, wanted)) || image.digest.to_string() == wanted
            }
        };
        let named: Vec<&SavedImage> = self.images.iter().filter(|image| fits(image)).collect();
        if let (Some(wanted), true) = (name, named.is_empty()) {
            return Err(ArchiveError::NotFound { wanted: printable(wanted, 120), existing: self.names() });
        }
        // One name may stand for several platforms; several names for different images are a question back.
        let runs = |image: &&SavedImage| {
            let offered = &image.config.platform;
            if offered.is_unknown() { Some(0) } else { platform.rank(offered) }
        };
        let one_name =
            named.iter().all(|image| named.first().is_some_and(|first| first.names == image.names));
        if !one_name
            && named.iter().any(|image| named.first().is_some_and(|first| first.digest != image.digest))
        {
            return Err(self.ambiguous());
        }
        let best = named.iter().filter_map(runs).min();
        let mut chosen = named.iter().filter(|image| best.is_some() && runs(image) == best);
        let Some(image) = chosen.next() else {
            let existing: Vec<String> = named.iter().map(|image| image.config.platform.to_string()).collect();
            let (wanted, existing) = (platform.to_string(), existing.join(", "));
            return Err(ManifestError::PlatformMissing { wanted, existing }.into());
        };
        if chosen.any(|other| other.digest != image.digest) {
            return Err(self.ambiguous());
        }
        image.open(shelf)
    }

    /// What the images run on, each once.
    pub(super) fn platforms(&self) -> Vec<Platform> {
        let mut found: Vec<Platform> = Vec::new();
        for image in &self.images {
            let platform = &image.config.platform;
            if !platform.is_unknown() && !found.contains(platform) {
                found.push(platform.clone());
            }
        }
        found
    }

    fn names(&self) -> String {
        let name_of = |image: &SavedImage| match image.names.is_empty() {
            true => image.digest.to_string(),
            false => image.names.join(", "),
        };
        self.images.iter().map(name_of).collect::<Vec<_>>().join(", ")
    }

    fn ambiguous(&self) -> ArchiveError {
        ArchiveError::Ambiguous(format!("it has several images, name one of: {}", self.names()))
    }
}

/// More images than anybody saves together; each has a config in memory.
const MAX_IMAGES: usize = 100;

impl SavedImage {
    fn read(shelf: &Shelf, raw: Raw) -> Result<Self, ArchiveError> {
        if raw.layers.len() > MAX_LAYERS {
            return Err(ManifestError::TooManyLayers { count: raw.layers.len(), max: MAX_LAYERS }.into());
        }
        let bytes = shelf.read(&raw.config, MAX_DOCUMENT)?;
        if let Some(digest) = named_digest(&raw.config) {
            hold(&bytes, &digest)?;
        }
        let digest = Digest::of(&bytes);
        let config = ImageConfig::parse(bytes)?;
        config.fits(raw.layers.len())?;
        if raw.layers.is_empty() {
            return Err(
                ManifestError::Unsupported("there is no file system in it: it has no layers".into()).into()
            );
        }
        let names = raw.repo_tags.unwrap_or_default().iter().map(|name| printable(name, 512)).collect();
        Ok(Self { names, config, digest, layers: raw.layers })
    }

    fn open(&self, shelf: &Shelf) -> Result<Image, ArchiveError> {
        let mut bytes = Vec::new();
        let mut layers = Vec::new();
        for (path, diff_id) in self.layers.iter().zip(&self.config.diff_ids) {
            let missing = || ArchiveError::Invalid(format!("layer {} is missing", printable(path, 120)));
            let slice = shelf.get(path)?.ok_or_else(missing)?;
            let digest = path.starts_with("blobs/").then(|| named_digest(path)).flatten();
            layers.push(Layer {
                digest: digest.clone(),
                diff_id: diff_id.clone(),
                size: slice.len(),
                media_type: media_type::OCI_LAYER.to_owned(),
            });
            bytes.push(Bytes { bytes: slice, digest });
        }
        let id = self.digest.clone();
        let layers_in = ArchiveLayers::new(bytes);
        let (config, platform) = (self.config.clone(), self.config.platform.clone());
        Ok(Image::in_archive(id.clone(), id, config, platform, layers, Vec::new(), layers_in))
    }
}

/// The digest a file is named by: `<hex>.json`, `sha256:<hex>`, `blobs/sha256/<hex>`.
fn named_digest(path: &str) -> Option<Digest> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let name = name.strip_suffix(".json").unwrap_or(name);
    let hex = name.strip_prefix("sha256:").unwrap_or(name);
    format!("sha256:{hex}").parse().ok()
}
