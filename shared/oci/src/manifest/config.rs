//! The image config: what a container is started with, and the digests of the plain layers.
//!
//! The bytes are kept whole. Reading them into types and writing them again would drop fields that matter
//! (`Healthcheck`, `Shell`, `OnBuild`), so whoever changes a config edits its JSON.

use bytes::Bytes;
use serde::Deserialize;

use super::{MAX_DOCUMENT, ManifestError, Platform, check_json};
use crate::digest::Digest;

/// A config, read as far as importing needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    /// The bytes as they came.
    pub raw: Bytes,
    /// The digest of each layer's uncompressed tar, lowest first.
    pub diff_ids: Vec<Digest>,
    /// What it says it runs on; see [`Platform::is_unknown`].
    pub platform: Platform,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
    rootfs: Option<RootFs>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Option<Vec<String>>,
}

impl ImageConfig {
    /// Reads a config.
    ///
    /// # Errors
    /// `config.invalid` or `digest.invalid`.
    pub fn parse(raw: Bytes) -> Result<Self, ManifestError> {
        check_json(&raw, MAX_DOCUMENT).map_err(|e| ManifestError::ConfigInvalid(e.0))?;
        let parsed: Raw = serde_json::from_slice(&raw)
            .map_err(|e| ManifestError::ConfigInvalid(crate::digest::printable(&e.to_string(), 200)))?;
        let Some(rootfs) = parsed.rootfs else {
            return Err(ManifestError::ConfigInvalid(
                "it has no rootfs, so it is not the config of an image".into(),
            ));
        };
        if rootfs.kind != "layers" {
            return Err(ManifestError::ConfigInvalid("its rootfs is not of the type “layers”".into()));
        }
        let diff_ids = rootfs.diff_ids.unwrap_or_default();
        let diff_ids = diff_ids.iter().map(|d| d.parse()).collect::<Result<_, _>>()?;
        let platform = Platform::new(&parsed.os, &parsed.architecture, parsed.variant.as_deref());
        Ok(Self { raw, diff_ids, platform })
    }

    /// Holds the config against the manifest that names it.
    ///
    /// # Errors
    /// `config.mismatch` when the number of layers differs.
    pub fn fits(&self, layers: usize) -> Result<(), ManifestError> {
        if self.diff_ids.len() == layers {
            return Ok(());
        }
        let has = self.diff_ids.len();
        Err(ManifestError::ConfigMismatch(format!("the manifest has {layers} layers, the config {has}")))
    }
}
