//! What a resolver pinned: exactly one thing to import, whatever happens to tags meanwhile.

use serde::{Deserialize, Serialize};

/// One exact thing to import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Pin {
    /// A manifest in a registry.
    Registry {
        /// The target as it was asked for: `nginx:1.29`.
        target: String,
        /// Digest of what the target pointed to (an index or a manifest).
        digest: String,
        /// Digest of the first platform's manifest.
        manifest: String,
        /// That platform, `os/architecture[/variant]`.
        platform: String,
        /// The further platforms of an image for several.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        more: Vec<PinnedPlatform>,
    },
    /// An uploaded archive, staged in the store under the image's id.
    Upload {
        /// SHA-256 of the archive's bytes, `sha256:<hex>`.
        digest: String,
        /// Its size in bytes.
        size: u64,
    },
    /// Code that is built.
    Build {
        /// What is built.
        context: ContextPin,
    },
}

/// Exactly one build context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum ContextPin {
    /// A commit of a repository.
    Git {
        /// The repository, without credentials.
        url: String,
        /// The commit's whole id.
        commit: String,
        /// What was asked for and stood for that commit, as git names it; absent when the commit itself was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    /// An archive on a server. It is whatever the server has when it is fetched.
    Targz {
        /// Its address.
        url: String,
    },
    /// An uploaded archive, staged in the store under the image's id.
    Upload {
        /// SHA-256 of the archive's bytes, `sha256:<hex>`.
        digest: String,
        /// Its size in bytes.
        size: u64,
    },
}

/// One platform of a pinned image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedPlatform {
    /// Digest of its manifest.
    pub manifest: String,
    /// The platform, `os/architecture[/variant]`.
    pub platform: String,
}

impl Pin {
    /// The digest recorded as the image's `source_digest`; of a build only its result has one.
    pub fn digest(&self) -> Option<&str> {
        match self {
            Self::Registry { digest, .. } | Self::Upload { digest, .. } => Some(digest),
            Self::Build { .. } => None,
        }
    }

    /// The commit that is built.
    pub fn commit(&self) -> Option<&str> {
        match self {
            Self::Build { context: ContextPin::Git { commit, .. } } => Some(commit),
            _ => None,
        }
    }

    /// Is something built?
    pub fn is_build(&self) -> bool {
        matches!(self, Self::Build { .. })
    }

    /// Manifest digest and platform of each image that was pinned in a registry.
    pub fn manifests(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Registry { manifest, platform, more, .. } => {
                let more = more.iter().map(|one| (one.manifest.as_str(), one.platform.as_str()));
                std::iter::once((manifest.as_str(), platform.as_str())).chain(more).collect()
            }
            Self::Upload { .. } | Self::Build { .. } => Vec::new(),
        }
    }
}
