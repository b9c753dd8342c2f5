//! `image.created`: a shell exists, an id to import into.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::{ImageId, SourceId};

/// A shell exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCreated {
    /// The shell.
    pub image: ImageId,
    /// Where it will be imported from.
    pub source: SourceId,
    /// Its name.
    pub name: String,
    /// Was the import asked for together with the shell?
    #[serde(default)]
    pub import: bool,
}

impl Event for ImageCreated {
    const SUBJECT: &'static str = "image.created";
}
