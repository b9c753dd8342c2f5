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
        /// Digest of the one platform's manifest.
        manifest: String,
        /// That platform, `os/architecture[/variant]`.
        platform: String,
    },
    /// An uploaded archive, staged in the store under the image's id.
    Upload {
        /// SHA-256 of the archive's bytes, `sha256:<hex>`.
        digest: String,
        /// Its size in bytes.
        size: u64,
    },
}

impl Pin {
    /// The digest recorded as the image's `source_digest`.
    pub fn digest(&self) -> &str {
        match self {
            Self::Registry { digest, .. } | Self::Upload { digest, .. } => digest,
        }
    }
}
