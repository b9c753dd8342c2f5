//! Descriptors: typed, sized pointers to content (image-spec descriptor.md).

use serde::Deserialize;
use serde_json::Value;

use super::media_type::{self, LayerKind};
use super::{ManifestError, Platform};
use crate::digest::{Digest, printable};

/// A pointer to content by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What the content is said to be.
    pub media_type: String,
    /// What the content must hash to.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it names other places to fetch it from. They are never used.
    pub has_urls: bool,
    /// In an index: what the image runs on.
    pub platform: Option<Platform>,
    /// In an index: an entry that tells about an image instead of being one (BuildKit's attestations).
    pub is_attestation: bool,
    /// A name given in an annotation, as OCI layouts do.
    pub name: Option<String>,
}

impl Descriptor {
    /// Whether this is a layer its makers wanted fetched from elsewhere.
    pub fn is_foreign(&self) -> bool {
        self.has_urls || media_type::layer(&self.media_type) == LayerKind::Foreign
    }
}

/// A descriptor as it stands in the JSON, nothing believed yet.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Raw {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: Value,
    urls: Option<Vec<String>>,
    platform: Option<RawPlatform>,
    annotations: Option<serde_json::Map<String, Value>>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl Raw {
    pub(super) fn checked(self) -> Result<Descriptor, ManifestError> {
        let size = match &self.size {
            // The specification says int64, so that is the end even where more would fit.
            Value::Number(n) => n.as_u64().filter(|n| i64::try_from(*n).is_ok()),
            _ => return Err(ManifestError::Invalid("a descriptor's size is not a number".into())),
        };
        let size = size.ok_or_else(|| ManifestError::DescriptorSize(self.size.to_string()))?;
        let note = |key: &str| self.annotations.as_ref().and_then(|a| a.get(key)).and_then(Value::as_str);
        let platform =
            self.platform.as_ref().map(|p| Platform::new(&p.os, &p.architecture, p.variant.as_deref()));
        let unknown = platform.as_ref().is_some_and(|p| p.os == "unknown" && p.architecture == "unknown");
        Ok(Descriptor {
            is_attestation: unknown || note("vnd.docker.reference.type").is_some(),
            name: note("io.containerd.image.name")
                .or_else(|| note("org.opencontainers.image.ref.name"))
                .map(|name| printable(name, 512)),
            digest: self.digest.parse()?,
            media_type: printable(&self.media_type, 256),
            has_urls: self.urls.is_some_and(|urls| !urls.is_empty()),
            size,
            platform,
        })
    }
}
