//! Manifests, indexes and configs (OCI image specification 1.1; Docker image manifest version 2, schema 2).
//!
//! What comes from a registry is read strictly: bounded, without duplicate keys, with one meaning only
//! (CVE-2021-41190), every digest and size checked before anything is allocated or fetched.

use serde::Deserialize;

use crate::digest::Digest;

mod config;
mod error;
mod json;
mod platform;

pub use config::ImageConfig;
pub use error::ManifestError;
pub use platform::Platform;

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image config.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// A manifest, index or config has at most this many bytes.
pub const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// An image has at most this many layers.
pub const MOST_LAYERS: usize = 256;
/// An index has at most this many entries.
pub const MOST_ENTRIES: usize = 1000;

/// What a descriptor points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The platform, in an index.
    pub platform: Option<Platform>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
}

/// Several images, one for each platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The entries.
    pub manifests: Vec<Descriptor>,
}

/// What a registry answers for a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// Several.
    Index(Index),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: serde_json::Number,
    platform: Option<platform::Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    manifests: Option<Vec<RawDescriptor>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<serde_json::Value>,
}

impl Document {
    /// Reads a manifest or an index. `content_type` is what the registry called it, if it did.
    ///
    /// # Errors
    /// When it is neither, or both, or breaks a limit.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        let raw: RawDocument = json::strict(bytes, "manifest")?;
        if raw.schema_version == Some(1) || raw.fs_layers.is_some() {
            return Err(ManifestError::unsupported("it has the retired schema 1; push the image again"));
        }
        if raw.schema_version != Some(2) {
            return Err(ManifestError::Invalid("it has no `schemaVersion` 2".to_owned()));
        }
        if raw.manifests.is_some() && (raw.layers.is_some() || raw.config.is_some()) {
            return Err(ManifestError::Ambiguous("it has both `layers` and `manifests`".to_owned()));
        }
        let called =
            content_type.map(|t| t.split(';').next().unwrap_or_default().trim()).filter(|t| is_known(t));
        if let (Some(own), Some(called)) = (raw.media_type.as_deref(), called)
            && own != called
        {
            return Err(ManifestError::Ambiguous(format!(
                "it calls itself `{own}`, the registry calls it `{called}`"
            )));
        }
        let kind = raw.media_type.as_deref().or(called);
        if let Some(kind) = kind
            && !is_known(kind)
        {
            return Err(ManifestError::unsupported(&format!("its media type is `{kind}`")));
        }
        let says_index = kind.map(|kind| matches!(kind, OCI_INDEX | DOCKER_LIST));
        match (raw.manifests, raw.config, raw.layers) {
            (Some(manifests), _, _) if says_index != Some(false) => index(manifests),
            (None, Some(config), Some(layers)) if says_index != Some(true) => {
                manifest(config, layers, raw.artifact_type.as_deref())
            }
            (None, _, None) if says_index == Some(false) => {
                Err(ManifestError::unsupported("it has no layers"))
            }
            _ => Err(ManifestError::Invalid("it is neither an image manifest nor an index".to_owned())),
        }
    }
}

fn is_known(kind: &str) -> bool {
    matches!(kind, OCI_MANIFEST | OCI_INDEX | DOCKER_MANIFEST | DOCKER_LIST)
}

fn index(manifests: Vec<RawDescriptor>) -> Result<Document, ManifestError> {
    if manifests.len() > MOST_ENTRIES {
        return Err(ManifestError::TooMany { what: "index entries", most: MOST_ENTRIES });
    }
    let manifests = manifests.into_iter().map(descriptor).collect::<Result<_, _>>()?;
    Ok(Document::Index(Index { manifests }))
}

fn manifest(
    config: RawDescriptor,
    layers: Vec<RawDescriptor>,
    artifact: Option<&str>,
) -> Result<Document, ManifestError> {
    if layers.len() > MOST_LAYERS {
        return Err(ManifestError::TooMany { what: "layers", most: MOST_LAYERS });
    }
    let config = descriptor(config)?;
    if !matches!(config.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG) {
        let kind = artifact.unwrap_or(&config.media_type);
        return Err(ManifestError::unsupported(&format!(
            "it is not a container image but an artifact of type `{kind}`"
        )));
    }
    let layers: Vec<_> = layers.into_iter().map(descriptor).collect::<Result<_, _>>()?;
    for layer in &layers {
        if layer.media_type.contains("+encrypted") {
            return Err(ManifestError::unsupported("its layers are encrypted"));
        }
        if ["bzip2", "+xz", ".xz"].iter().any(|other| layer.media_type.contains(other)) {
            return Err(ManifestError::LayerType(layer.media_type.clone()));
        }
    }
    Ok(Document::Manifest(Manifest { config, layers }))
}

fn descriptor(raw: RawDescriptor) -> Result<Descriptor, ManifestError> {
    let digest: Digest = raw.digest.parse()?;
    let size = raw.size.as_u64().filter(|size| i64::try_from(*size).is_ok());
    let size = size.ok_or_else(|| ManifestError::Size(format!("`{}` is no size", raw.size)))?;
    Ok(Descriptor { media_type: raw.media_type, digest, size, platform: raw.platform.map(Platform::from) })
}

impl Index {
    /// The entry for a platform. Attestations (`unknown/unknown`) are no images. An entry without a variant serves
    /// any, as arm64 and arm64/v8 mean the same.
    ///
    /// # Errors
    /// [`ManifestError::NoPlatform`], which tells what there is.
    pub fn select(&self, wanted: &Platform) -> Result<&Descriptor, ManifestError> {
        let images = || self.manifests.iter().filter(|m| m.platform.as_ref().is_none_or(|p| !p.is_unknown()));
        let exact = images().find(|m| m.platform.as_ref() == Some(wanted));
        let near = || images().find(|m| m.platform.as_ref().is_some_and(|p| p.serves(wanted)));
        let only = || {
            let mut all = images().filter(|m| m.platform.is_none());
            all.next().filter(|_| all.next().is_none())
        };
        exact.or_else(near).or_else(only).ok_or_else(|| ManifestError::NoPlatform {
            wanted: wanted.to_string(),
            there: images().filter_map(|m| m.platform.as_ref().map(Platform::to_string)).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
