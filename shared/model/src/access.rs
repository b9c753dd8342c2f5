//! Who is asking.

use serde::{Deserialize, Serialize};

use crate::{HubId, KeyId};

/// Somebody who showed a valid API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The hub the key belongs to: everything this principal sees or does is inside it.
    pub hub: HubId,
    /// The hub's identifier, as it stands in image references.
    pub hub_identifier: String,
    /// The key.
    pub key: KeyId,
}
