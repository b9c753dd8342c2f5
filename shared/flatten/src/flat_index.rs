//! The index over the flat manifests of several platforms.

use oci::manifest::Platform;
use oci::manifest::media_type::{OCI_INDEX, OCI_MANIFEST};
use oci_spec::image::{Descriptor, Digest, ImageIndexBuilder, MediaType};
use serde_json::{Value, json};

use crate::config::{ConfigError, annotations, sorted};

/// One manifest of an index.
#[derive(Debug, Clone)]
pub struct IndexEntry<'a> {
    /// Its platform.
    pub platform: &'a Platform,
    /// Its digest.
    pub digest: &'a str,
    /// Its size in bytes.
    pub size: u64,
}

/// The index, its manifests in the order given.
///
/// # Errors
/// When a digest is none.
pub fn flat_index(
    entries: &[IndexEntry<'_>],
    source_reference: Option<&str>,
    source_digest: &str,
) -> Result<Vec<u8>, ConfigError> {
    let broken = |e: Box<dyn std::error::Error + Send + Sync>| ConfigError::Manifest(e);
    let mut manifests = Vec::new();
    for entry in entries {
        let digest = entry.digest.parse::<Digest>().map_err(|e| broken(e.into()))?;
        manifests.push(Descriptor::new(MediaType::Other(OCI_MANIFEST.to_owned()), entry.size, digest));
    }
    let index = ImageIndexBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::Other(OCI_INDEX.to_owned()))
        .manifests(manifests)
        .annotations(annotations(source_reference, source_digest))
        .build()
        .map_err(|e| broken(e.into()))?;
    let mut value = serde_json::to_value(&index).map_err(|e| broken(e.into()))?;
    // As text: the library knows platforms by names of its own, and would drop one that is new to it.
    let listed = value.get_mut("manifests").and_then(Value::as_array_mut).into_iter().flatten();
    for (descriptor, entry) in listed.zip(entries) {
        let Platform { os, architecture, variant } = entry.platform;
        let mut platform = json!({ "os": os, "architecture": architecture });
        if let (Some(variant), Some(platform)) = (variant, platform.as_object_mut()) {
            platform.insert("variant".to_owned(), json!(variant));
        }
        if let Some(descriptor) = descriptor.as_object_mut() {
            descriptor.insert("platform".to_owned(), platform);
        }
    }
    serde_json::to_vec(&sorted(value)).map_err(|e| broken(e.into()))
}

#[cfg(test)]
mod tests {
    use oci::manifest::Document;

    use super::*;

    #[test]
    fn an_index_is_read_as_it_was_meant() {
        let (amd, arm): (Platform, Platform) =
            ("linux/amd64".parse().unwrap(), "linux/arm/v6".parse().unwrap());
        let digests = ["a", "b"].map(|c| format!("sha256:{}", c.repeat(64)));
        let entries = [
            IndexEntry { platform: &amd, digest: &digests[0], size: 1 },
            IndexEntry { platform: &arm, digest: &digests[1], size: 2 },
        ];
        let bytes = flat_index(&entries, Some("nginx:1.29"), &digests[0]).unwrap();
        assert_eq!(bytes, flat_index(&entries, Some("nginx:1.29"), &digests[0]).unwrap());
        let Document::Index(index) = Document::parse(bytes.into(), None).unwrap() else { panic!("an index") };
        let read: Vec<_> = index.manifests.iter().map(|m| (m.platform.clone().unwrap(), m.size)).collect();
        assert_eq!(read, [(amd, 1), (arm, 2)]);
    }
}
