//! OCI image layouts (image-spec image-layout.md).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::image::{ArchiveLayers, layer};
use super::shelf::Shelf;
use super::{ArchiveError, Listed, same_name};
use crate::digest::{Digest, printable};
use crate::manifest::{
    Descriptor, Document, ImageConfig, ImageIndex, ImageManifest, MAX_DOCUMENT, ManifestError, Platform,
    Step, Walk,
};
use crate::source::{Image, Layer};

/// The file that makes a directory a layout.
pub(super) const MARKER: &str = "oci-layout";
const INDEX: &str = "index.json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

#[derive(Debug)]
pub(super) struct Layout {
    index: ImageIndex,
}

impl Layout {
    pub(super) fn read(shelf: &Shelf) -> Result<Self, ArchiveError> {
        let marker: Marker = serde_json::from_slice(&shelf.read(MARKER, 1 << 10)?)
            .map_err(|_| ArchiveError::Invalid("its oci-layout is malformed".into()))?;
        if !marker.image_layout_version.starts_with("1.") {
            let version = printable(&marker.image_layout_version, 20);
            return Err(ArchiveError::Unsupported(format!(
                "version {version} of the OCI layout is not known"
            )));
        }
        match Document::parse(shelf.read(INDEX, MAX_DOCUMENT)?, None)? {
            Document::Index(index) => Ok(Self { index }),
            Document::Manifest(_) => Err(ManifestError::Invalid("index.json is not an index".into()).into()),
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Descriptor> {
        self.index.manifests.iter().filter(|entry| !entry.is_attestation)
    }

    pub(super) fn images(&self) -> Vec<Listed> {
        let mut listed: Vec<Listed> = Vec::new();
        for entry in self.entries() {
            match listed.iter_mut().find(|known| known.digest == entry.digest) {
                Some(known) => known.names.extend(entry.name.clone()),
                None => listed.push(Listed {
                    names: entry.name.clone().into_iter().collect(),
                    digest: entry.digest.clone(),
                    platform: entry.platform.clone(),
                }),
            }
        }
        listed
    }

    pub(super) fn select(
        &self,
        shelf: &Shelf,
        platform: &Platform,
        name: Option<&str>,
    ) -> Result<Image, ArchiveError> {
        let nothing = || ArchiveError::Invalid("it has no image".into());
        self.walk(shelf, Some(platform.clone()), name)?.pop().ok_or_else(nothing)
    }

    /// The first image for each platform there is.
    pub(super) fn all(&self, shelf: &Shelf, name: Option<&str>) -> Result<Vec<Image>, ArchiveError> {
        self.walk(shelf, None, name)
    }

    fn walk(
        &self,
        shelf: &Shelf,
        platform: Option<Platform>,
        name: Option<&str>,
    ) -> Result<Vec<Image>, ArchiveError> {
        let manifests = self.named(name)?;
        let mut walk = Walk::new(platform);
        let resolved = match manifests.as_slice() {
            [one] => one.digest.clone(),
            _ => self.index.digest.clone(),
        };
        let mut found: Vec<Image> = Vec::new();
        let mut step = walk.take(Document::Index(ImageIndex { manifests, ..self.index.clone() }))?;
        loop {
            match step {
                Step::Read(entry) => {
                    let bytes = shelf.blob(&entry, MAX_DOCUMENT)?;
                    let media_type = Some(entry.media_type.as_str()).filter(|text| !text.is_empty());
                    step = walk.take(Document::parse(bytes, media_type)?)?;
                }
                Step::Found(manifest) => {
                    let config = ImageConfig::parse(shelf.blob(&manifest.config, MAX_DOCUMENT)?)?;
                    config.fits(manifest.layers.len())?;
                    if let Some(next) = walk.judge(&config)? {
                        step = next;
                        continue;
                    }
                    let platform = walk.platform(&config);
                    if !found.iter().any(|image| image.platform == platform) {
                        found.push(assemble(shelf, &resolved, &manifest, config, platform, &walk)?);
                    }
                    match walk.further()? {
                        Some(next) => step = next,
                        None => return Ok(found),
                    }
                }
            }
        }
    }

    /// The entries of one image: those of a name, or all if they are one image for several platforms.
    fn named(&self, wanted: Option<&str>) -> Result<Vec<Descriptor>, ArchiveError> {
        let name_of = |entry: &Descriptor| entry.name.clone().unwrap_or_else(|| entry.digest.to_string());
        let names = || {
            self.entries().map(name_of).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
        };
        let mut found: Vec<Descriptor> = match wanted {
            None => self.entries().cloned().collect(),
            Some(wanted) => {
                let fits = |entry: &&Descriptor| {
                    same_name(&name_of(entry), wanted) || entry.digest.to_string() == wanted
                };
                self.entries().filter(fits).cloned().collect()
            }
        };
        if let (Some(wanted), true) = (wanted, found.is_empty()) {
            return Err(ArchiveError::NotFound { wanted: printable(wanted, 120), existing: names() });
        }
        // One image may stand there under several names.
        let mut seen = BTreeSet::new();
        let mut groups: BTreeMap<Option<String>, BTreeSet<Digest>> = BTreeMap::new();
        for entry in &found {
            groups.entry(entry.name.clone()).or_default().insert(entry.digest.clone());
        }
        let mut sets = groups.values();
        let first = sets.next();
        let several_names = sets.any(|set| Some(set) != first);
        found.retain(|entry| seen.insert(entry.digest.clone()));
        // More than one entry is one image only if no two are for the same platform.
        let mut platforms = BTreeSet::new();
        let same_platform =
            found.len() > 1 && !found.iter().all(|e| e.platform.is_some() && platforms.insert(&e.platform));
        if several_names || same_platform {
            return Err(ArchiveError::Ambiguous(format!("it has several images, name one of: {}", names())));
        }
        Ok(found)
    }
}

fn assemble(
    shelf: &Shelf,
    resolved: &Digest,
    manifest: &ImageManifest,
    config: ImageConfig,
    platform: Platform,
    walk: &Walk,
) -> Result<Image, ArchiveError> {
    let bytes = manifest.layers.iter().map(|l| layer(shelf, l)).collect::<Result<_, _>>()?;
    let layers = Layer::list(&manifest.layers, &config);
    Ok(Image::in_archive(
        resolved.clone(),
        manifest.digest.clone(),
        config,
        platform,
        layers,
        walk.skipped.clone(),
        ArchiveLayers::new(bytes),
    ))
}
