//! The config and manifest of a flat image. Everything the source's config had is kept, unknown fields too.

use std::collections::HashMap;

use oci::manifest::media_type::{OCI_CONFIG, OCI_MANIFEST};
use oci_spec::image::{Descriptor, Digest, ImageManifestBuilder, MediaType};
use serde_json::{Value, json};

/// A config that cannot be one.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not an object.
    #[error("The image's config is not a JSON object.")]
    NotAnObject(#[source] Option<serde_json::Error>),
    /// The manifest could not be written.
    #[error("The flat manifest could not be written.")]
    Manifest(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ConfigError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        "config.mismatch"
    }
}

/// The flat config: as the source's, with one diff_id, and one history entry that says what was flattened. It is the
/// same every time: its dates are the source's.
///
/// # Errors
/// When the source's is not a JSON object.
pub fn flat_config(
    source: &[u8],
    diff_id: &str,
    layers_in: usize,
    source_digest: &str,
) -> Result<Vec<u8>, ConfigError> {
    let mut config: Value = serde_json::from_slice(source).map_err(|e| ConfigError::NotAnObject(Some(e)))?;
    let object = config.as_object_mut().ok_or(ConfigError::NotAnObject(None))?;
    let created = object.get("created").filter(|c| c.is_string()).cloned();
    object.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": [diff_id] }));
    let mut entry = json!({
        "created_by": format!("platen: {layers_in} layers of {source_digest} flattened into one"),
        "comment": "flattened by Platen",
    });
    if let (Some(created), Some(entry)) = (created, entry.as_object_mut()) {
        entry.insert("created".to_owned(), created);
    }
    object.insert("history".to_owned(), json!([entry]));
    serde_json::to_vec(&config).map_err(|e| ConfigError::NotAnObject(Some(e)))
}

/// What a flat manifest is made of. Sizes are bytes.
#[derive(Debug, Clone)]
pub struct FlatManifest<'a> {
    /// The flat config's digest and size.
    pub config: (&'a str, u64),
    /// The flat layer's digest and size.
    pub layer: (&'a str, u64),
    /// The flat layer's media type.
    pub media_type: &'a str,
    /// What was imported, as it was asked for; none for an archive.
    pub source_reference: Option<&'a str>,
    /// Digest of what was imported.
    pub source_digest: &'a str,
}

/// The flat manifest.
///
/// # Errors
/// When a digest is none.
pub fn flat_manifest(of: &FlatManifest<'_>) -> Result<Vec<u8>, ConfigError> {
    let digest = |text: &str| text.parse::<Digest>().map_err(|e| ConfigError::Manifest(e.into()));
    let config = Descriptor::new(MediaType::Other(OCI_CONFIG.to_owned()), of.config.1, digest(of.config.0)?);
    let layer = Descriptor::new(MediaType::Other(of.media_type.to_owned()), of.layer.1, digest(of.layer.0)?);
    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::Other(OCI_MANIFEST.to_owned()))
        .config(config)
        .layers(vec![layer])
        .annotations(annotations(of.source_reference, of.source_digest))
        .build()
        .map_err(|e| ConfigError::Manifest(e.into()))?;
    // Through a value: a map's order would differ from run to run.
    let value = serde_json::to_value(&manifest).map_err(|e| ConfigError::Manifest(e.into()))?;
    serde_json::to_vec(&sorted(value)).map_err(|e| ConfigError::Manifest(e.into()))
}

/// Where a flat document comes from.
pub(crate) fn annotations(reference: Option<&str>, digest: &str) -> HashMap<String, String> {
    let digest = ("dev.platen.source.digest".to_owned(), digest.to_owned());
    let reference = reference.map(|r| ("dev.platen.source.reference".to_owned(), r.to_owned()));
    std::iter::once(digest).chain(reference).collect()
}

/// The same value with its keys in order.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_kept_and_the_rest_is_flat() {
        let source = br#"{"created":"2026-01-02T03:04:05Z","architecture":"amd64","os":"linux",
            "config":{"Cmd":["sh"],"Healthcheck":{"Test":["CMD","true"]},"Shell":["/bin/sh"],"OnBuild":["RUN x"]},
            "rootfs":{"type":"layers","diff_ids":["a","b"]},"history":[{},{}],"x.unknown":1}"#;
        let flat = flat_config(source, "sha256:d", 2, "sha256:s").unwrap();
        assert_eq!(flat, flat_config(source, "sha256:d", 2, "sha256:s").unwrap());
        let flat: Value = serde_json::from_slice(&flat).unwrap();
        assert_eq!(flat["config"]["Healthcheck"]["Test"][1], "true");
        assert_eq!(flat["config"]["OnBuild"][0], "RUN x");
        assert_eq!((&flat["x.unknown"], &flat["rootfs"]["diff_ids"]), (&json!(1), &json!(["sha256:d"])));
        assert_eq!(flat["history"].as_array().unwrap().len(), 1);
        assert_eq!(flat["history"][0]["created"], "2026-01-02T03:04:05Z");
        assert!(flat_config(b"[]", "d", 1, "s").is_err());
    }

    #[test]
    fn the_manifest_is_the_same_every_time() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let of = FlatManifest {
            config: (&digest, 1),
            layer: (&digest, 2),
            media_type: "application/vnd.oci.image.layer.v1.tar+zstd",
            source_reference: Some("docker.io/library/nginx:1.29"),
            source_digest: &digest,
        };
        let bytes = flat_manifest(&of).unwrap();
        for _ in 0..20 {
            assert_eq!(flat_manifest(&of).unwrap(), bytes);
        }
        let read = oci::manifest::Document::parse(bytes.into(), None).unwrap();
        assert!(matches!(read, oci::manifest::Document::Manifest(m) if m.layers.len() == 1));
    }
}
