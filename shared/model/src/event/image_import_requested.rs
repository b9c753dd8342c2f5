//! `image.import.requested`: import into a shell, or make a shell for a source and import.
//!
//! The one event that anybody with a publish permission may send. From outside it is a request, not a fact.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::pin::Pin;
use crate::{ImageId, api};

/// An import is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageImportRequested {
    /// The shell to import into. Absent in a request from outside that names a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageId>,
    /// The hub, by id or identifier. Needed in a bare payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// The source, by id or identifier, for which to make a shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// A name for the new shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the image takes instead of the source's own.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub overrides: Option<api::Override>,
    /// What the resolver pinned; absent while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
}

impl Event for ImageImportRequested {
    const SUBJECT: &'static str = "image.import.requested";
}
