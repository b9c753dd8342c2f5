//! What a hub works with that is not Platen's own: image builders.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{HubId, IntegrationId, Secret};

/// An integration. Secrets are never part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integration {
    /// Its id.
    pub id: IntegrationId,
    /// Its hub.
    pub hub_id: HubId,
    /// A slug, unique in the hub.
    pub identifier: String,
    /// Its name.
    pub name: String,
    /// The image builder that it is.
    pub builder: ImageBuilder,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last changed.
    pub updated: DateTime<Utc>,
}

/// An image builder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "vendor", content = "details", rename_all = "lowercase", deny_unknown_fields)]
pub enum ImageBuilder {
    /// buildah on the factory's machine: what builds where nothing else is said.
    Buildah(Buildah),
    /// Any BuildKit.
    BuildKit(BuildKit),
    /// Depot.
    Depot(Depot),
}

/// `buildah`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Buildah {}

/// `buildkit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildKit {
    /// `tcp://host:port`; or, where the operator allows that very one, `docker://` or `unix://` with the path of a Docker or
    /// BuildKit daemon's socket.
    pub endpoint: String,
    /// The name its certificate has to be for, where that is not its host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Who has signed its certificate, as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Our certificate, as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// Its key, as PEM.
    #[serde(default, skip_serializing)]
    pub key: Option<Secret>,
}

/// `depot`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Depot {
    /// The project's id.
    pub project: String,
    /// A token of the project.
    #[serde(default, skip_serializing)]
    pub token: Option<Secret>,
}

impl ImageBuilder {
    fn slot(&mut self) -> Option<(&'static str, &mut Option<Secret>)> {
        match self {
            Self::Buildah(_) => None,
            Self::BuildKit(b) => Some(("key", &mut b.key)),
            Self::Depot(d) => Some(("token", &mut d.token)),
        }
    }

    /// Takes the secret out, with the name of its field.
    pub fn take_secret(&mut self) -> Option<(&'static str, Secret)> {
        let (field, slot) = self.slot()?;
        slot.take().map(|secret| (field, secret))
    }

    /// Puts the secret back where it was taken from.
    pub fn put_secret(&mut self, secret: Secret) {
        if let Some((_, slot)) = self.slot() {
            *slot = Some(secret);
        }
    }
}

/// `POST /v1/hubs/current/integrations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateIntegration {
    /// Its name.
    pub name: String,
    /// A slug; made from the name when absent.
    #[serde(default)]
    pub identifier: Option<String>,
    /// The image builder that it is.
    pub builder: ImageBuilder,
}

/// `POST /v1/hubs/current/integrations/{id}/tasks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub enum IntegrationTask {
    /// Ask whether it can be worked with.
    Verify,
}

/// What came of [`IntegrationTask::Verify`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The version that it says it has.
    pub version: String,
}
