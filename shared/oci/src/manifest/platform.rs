//! Platforms: `os/architecture[/variant]`, in Go's names (OCI image specification, "Image Index").

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::ManifestError;

/// A platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`.
    pub architecture: String,
    /// `v8`.
    pub variant: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Raw {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl From<Raw> for Platform {
    fn from(raw: Raw) -> Self {
        Self { os: raw.os, architecture: raw.architecture, variant: raw.variant.filter(|v| !v.is_empty()) }
    }
}

impl Platform {
    /// This machine's: what a factory imports when nothing else is asked for. Images are for Linux.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.os == "unknown"
    }

    /// Does an image for this platform run where the wanted one is asked for?
    pub fn serves(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (self.variant == wanted.variant || self.variant.is_none() || wanted.variant.is_none())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, ManifestError> {
        let word = |w: &str| {
            (1..=32).contains(&w.len())
                && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let words: Vec<&str> = text.split('/').collect();
        match words.as_slice() {
            [os, architecture] if word(os) && word(architecture) => {
                Ok(Self { os: (*os).to_owned(), architecture: (*architecture).to_owned(), variant: None })
            }
            [os, architecture, variant] if word(os) && word(architecture) && word(variant) => Ok(Self {
                os: (*os).to_owned(),
                architecture: (*architecture).to_owned(),
                variant: Some((*variant).to_owned()),
            }),
            _ => Err(ManifestError::Platform(text.chars().take(100).collect())),
        }
    }
}
