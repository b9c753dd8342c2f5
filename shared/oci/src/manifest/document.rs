//! A manifest or an index, told apart beyond doubt.

use bytes::Bytes;
use serde::Deserialize;

use super::descriptor::{Descriptor, Raw as RawDescriptor};
use super::media_type::{self, DocumentKind, LayerKind};
use super::{MAX_DOCUMENT, MAX_INDEX_ENTRIES, MAX_LAYERS, ManifestError, check_json};
use crate::digest::{Digest, printable};

/// What a reference led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(ImageManifest),
    /// Images for several platforms.
    Index(ImageIndex),
}

/// The manifest of one image, OCI or Docker schema 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageManifest {
    /// sha256 of the bytes.
    pub digest: Digest,
    /// What it is.
    pub media_type: String,
    /// The config.
    pub config: Descriptor,
    /// The layers, lowest first; never empty.
    pub layers: Vec<Descriptor>,
    /// The bytes as they came.
    pub raw: Bytes,
}

/// An index (OCI) or manifest list (Docker).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageIndex {
    /// sha256 of the bytes.
    pub digest: Digest,
    /// What it is.
    pub media_type: String,
    /// Its entries, in their order.
    pub manifests: Vec<Descriptor>,
    /// The bytes as they came.
    pub raw: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<serde_json::Value>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    manifests: Option<Vec<RawDescriptor>>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Document {
    /// Reads the bytes of a manifest or index, with the `Content-Type` they came under where there was one.
    ///
    /// # Errors
    /// Every [`ManifestError`] but those about configs and the choice of a platform.
    pub fn parse(raw: Bytes, content_type: Option<&str>) -> Result<Self, ManifestError> {
        let announced = content_type.map(media_type::bare);
        if announced.as_deref().map(media_type::document) == Some(DocumentKind::Schema1) {
            return Err(schema1());
        }
        check_json(&raw, MAX_DOCUMENT).map_err(|e| ManifestError::Invalid(e.0))?;
        // Before the types: in schema 1 many fields mean something else.
        let document: Raw = serde_json::from_slice(&raw)
            .map_err(|e| ManifestError::Invalid(printable(&e.to_string(), 200)))?;
        if document.fs_layers.is_some() || document.schema_version == Some(1.into()) {
            return Err(schema1());
        }
        if document.schema_version != Some(2.into()) {
            return Err(ManifestError::Invalid("its schemaVersion is not 2".into()));
        }
        let kind = document.kind(announced.as_deref())?;
        match kind {
            DocumentKind::Index => document.index(raw, announced),
            _ => document.manifest(raw, announced),
        }
    }
}

fn schema1() -> ManifestError {
    ManifestError::Unsupported(
        "the image is in Docker's schema 1 format, which has been obsolete since 2017; push it again with a current tool"
            .into(),
    )
}

impl Raw {
    /// What it is by its fields, its media type and its Content-Type, which must not contradict each other.
    fn kind(&self, announced: Option<&str>) -> Result<DocumentKind, ManifestError> {
        let ambiguous = |why: String| Err(ManifestError::Ambiguous(why));
        let shape = match (self.layers.is_some() || self.config.is_some(), self.manifests.is_some()) {
            (true, true) => {
                return ambiguous(
                    "it lists layers, as an image does, and manifests, as an index does".into(),
                );
            }
            (false, true) => DocumentKind::Index,
            (true, false) => DocumentKind::Manifest,
            (false, false) => {
                return Err(ManifestError::Invalid("it lists neither layers nor manifests".into()));
            }
        };
        let own = self.media_type.as_deref();
        if let (Some(own), Some(announced)) = (own, announced)
            && media_type::document(announced) != DocumentKind::Unknown
            && own != announced
        {
            let own = printable(own, 100);
            return ambiguous(format!("it calls itself {own} but was sent as {announced}"));
        }
        for name in [own, announced].into_iter().flatten() {
            let said = media_type::document(name);
            if said != DocumentKind::Unknown && said != shape {
                return ambiguous(format!("it is called {name} but has the fields of the other kind"));
            }
        }
        if let Some(own) = own
            && media_type::document(own) == DocumentKind::Unknown
        {
            let own = printable(own, 100);
            return Err(ManifestError::Unsupported(format!("{own} is not an image")));
        }
        Ok(shape)
    }

    fn index(self, raw: Bytes, announced: Option<String>) -> Result<Document, ManifestError> {
        let entries = self.manifests.unwrap_or_default();
        if entries.len() > MAX_INDEX_ENTRIES {
            return Err(ManifestError::IndexTooLarge { count: entries.len(), max: MAX_INDEX_ENTRIES });
        }
        let manifests = entries.into_iter().map(RawDescriptor::checked).collect::<Result<_, _>>()?;
        let media_type = named(self.media_type, announced, media_type::OCI_INDEX);
        Ok(Document::Index(ImageIndex { digest: Digest::of(&raw), media_type, manifests, raw }))
    }

    fn manifest(self, raw: Bytes, announced: Option<String>) -> Result<Document, ManifestError> {
        let layers = self.layers.unwrap_or_default();
        if layers.len() > MAX_LAYERS {
            return Err(ManifestError::TooManyLayers { count: layers.len(), max: MAX_LAYERS });
        }
        let Some(config) = self.config else {
            return Err(ManifestError::Invalid("it has layers but no config".into()));
        };
        let config = config.checked()?;
        let layers: Vec<Descriptor> =
            layers.into_iter().map(RawDescriptor::checked).collect::<Result<_, _>>()?;
        check_layers(&layers, self.artifact_type.as_deref(), &config)?;
        check_config(&config)?;
        let media_type = named(self.media_type, announced, media_type::OCI_MANIFEST);
        Ok(Document::Manifest(ImageManifest { digest: Digest::of(&raw), media_type, config, layers, raw }))
    }
}

/// The document's own word, else the header's if it says anything, else what OCI documents are without a word.
fn named(own: Option<String>, announced: Option<String>, default: &str) -> String {
    let announced = announced.filter(|a| media_type::document(a) != DocumentKind::Unknown);
    own.or(announced).unwrap_or_else(|| default.to_owned())
}

fn check_layers(
    layers: &[Descriptor],
    artifact: Option<&str>,
    config: &Descriptor,
) -> Result<(), ManifestError> {
    let unsupported = |why: String| Err(ManifestError::Unsupported(why));
    if layers.is_empty() {
        let what = artifact.map_or_else(|| config.media_type.clone(), |a| printable(a, 100));
        return unsupported(format!("there is no file system in it: it has no layers ({what})"));
    }
    for layer in layers {
        let name = &layer.media_type;
        match media_type::layer(name) {
            LayerKind::Tar | LayerKind::Foreign => {}
            LayerKind::Compression => return Err(ManifestError::LayerMediaType(name.clone())),
            LayerKind::Encrypted => {
                return unsupported(format!(
                    "layer {} is encrypted ({name}) and cannot be read here",
                    layer.digest
                ));
            }
            LayerKind::Other => {
                return unsupported(format!(
                    "this is not a container image but an artifact: it contains {name}"
                ));
            }
        }
    }
    Ok(())
}

fn check_config(config: &Descriptor) -> Result<(), ManifestError> {
    let name = config.media_type.as_str();
    match name {
        media_type::OCI_CONFIG | media_type::DOCKER_CONFIG => Ok(()),
        // Something else made for a purpose is an artifact; a word that says nothing, or says layer, is a mistake.
        _ if name.starts_with("application/vnd.")
            && media_type::document(name) == DocumentKind::Unknown
            && media_type::layer(name) == LayerKind::Other =>
        {
            Err(ManifestError::Unsupported(format!("this is not a container image but an artifact: {name}")))
        }
        _ => Err(ManifestError::ConfigMismatch(format!("“{name}” is not the type of an image config"))),
    }
}

#[cfg(test)]
mod tests;
