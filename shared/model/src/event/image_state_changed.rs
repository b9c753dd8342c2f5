//! `image.state.changed`: every transition of every image.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::{ImageId, State};

/// An image went from one state to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageStateChanged {
    /// The image.
    pub image: ImageId,
    /// Where it was.
    pub from: State,
    /// Where it is.
    pub to: State,
    /// The attempt that moved it.
    pub attempt: i64,
}

impl Event for ImageStateChanged {
    const SUBJECT: &'static str = "image.state.changed";
}
