//! Builds in the API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Secret;

/// How an image is built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildInfo {
    /// What was asked for.
    #[serde(flatten)]
    pub options: BuildOptions,
    /// The ids of the secrets that it was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The commit that is built, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// What an image wants of its build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildOptions {
    /// Build arguments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    /// Temporary files go to the disk, not to memory.
    #[serde(default)]
    pub use_disk: bool,
    /// The builder; the source's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<BuilderChoice>,
}

/// Which builder builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuilderChoice {
    /// The integration, by id or identifier; the factory's own builder when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_id: Option<String>,
}

/// `build` of a new image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateBuild {
    /// Build arguments.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
    /// Temporary files go to the disk, not to memory.
    #[serde(default)]
    pub use_disk: bool,
    /// Secrets for `RUN --mount=type=secret`, by their ids. They are forgotten when the image is live or deleted.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
}
