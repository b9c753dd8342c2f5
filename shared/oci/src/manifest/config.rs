//! The image config: what Platen must know of it. The rest is kept as it is, byte for byte, elsewhere.

use serde::Deserialize;

use super::{ManifestError, Platform, json};
use crate::digest::Digest;

/// What must be known of an image's config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    /// Digests of the layers' uncompressed tars, lowest first.
    pub diff_ids: Vec<Digest>,
    /// What it runs on.
    pub platform: Platform,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

impl ImageConfig {
    /// Reads a config that belongs to this many layers.
    ///
    /// # Errors
    /// When it is none, or names another number of layers.
    pub fn parse(bytes: &[u8], layers: usize) -> Result<Self, ManifestError> {
        let raw: Raw = json::strict(bytes, "config").map_err(|e| ManifestError::Config(said(&e)))?;
        let diff_ids: Vec<Digest> =
            raw.rootfs.diff_ids.iter().map(|d| d.parse()).collect::<Result<_, _>>()?;
        if diff_ids.len() != layers {
            let why = format!("it names {} layers, the manifest {layers}", diff_ids.len());
            return Err(ManifestError::Config(why));
        }
        let variant = raw.variant.filter(|v| !v.is_empty());
        let platform = Platform { os: raw.os, architecture: raw.architecture, variant };
        Ok(Self { diff_ids, platform })
    }
}

fn said(error: &ManifestError) -> String {
    match error {
        ManifestError::Invalid(why) => why.clone(),
        other => other.to_string(),
    }
}
