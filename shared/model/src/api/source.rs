//! Image sources in the API.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::api::BuilderChoice;
use crate::source::{FlatOptions, Origin};
use crate::{HubId, SourceId};

/// An image source. Secrets are never part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// Its hub.
    pub hub_id: HubId,
    /// A slug, unique in the hub: the middle part of references to pull by.
    pub identifier: String,
    /// Its name.
    pub name: String,
    /// Always `direct`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where images come from.
    pub origin: Origin,
    /// Are credentials kept for it?
    pub has_credentials: bool,
    /// How the flat image is made.
    pub flat: FlatOptions,
    /// Which builder builds its images; the factory's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<BuilderChoice>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last changed.
    pub updated: DateTime<Utc>,
}

/// `POST /v1/images/sources`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateSource {
    /// Its name.
    pub name: String,
    /// A slug; made from the name when absent.
    #[serde(default)]
    pub identifier: Option<String>,
    /// Only `direct` is known.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Where images come from.
    pub origin: Origin,
    /// How the flat image is made.
    #[serde(default)]
    pub flat: FlatOptions,
    /// Which builder builds its images; the factory's own when absent.
    #[serde(default)]
    pub builder: Option<BuilderChoice>,
}

/// `PATCH /v1/images/sources/{id}`: what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateSource {
    /// A new name.
    #[serde(default)]
    pub name: Option<String>,
    /// A new origin, with its credentials: they are not carried over.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// Another way to make the flat image.
    #[serde(default)]
    pub flat: Option<FlatOptions>,
    /// Another builder.
    #[serde(default)]
    pub builder: Option<BuilderChoice>,
}
