//! The client: one a process, shared by all pulls.

use std::sync::Arc;

use super::auth::{Auth, Credentials};
use super::door::Doors;
use super::repository::{Inner, Repository};
use super::{NetworkPolicy, Patience, RegistryError};
use crate::reference::Target;

/// Pulls from registries, within one [`NetworkPolicy`]. Cheap to clone; connections are pooled.
#[derive(Debug, Clone)]
pub struct Client {
    doors: Arc<Doors>,
    patience: Arc<Patience>,
}

impl Client {
    /// A client with the default [`Patience`].
    ///
    /// # Errors
    /// `registry.setup` when an extra certificate is malformed.
    pub fn new(policy: NetworkPolicy) -> Result<Self, RegistryError> {
        Self::with_patience(policy, Patience::default())
    }

    /// A client that waits and retries as told.
    ///
    /// # Errors
    /// `registry.setup` when an extra certificate is malformed.
    pub fn with_patience(policy: NetworkPolicy, patience: Patience) -> Result<Self, RegistryError> {
        Ok(Self { doors: Arc::new(Doors::new(policy, &patience)?), patience: Arc::new(patience) })
    }

    /// The repository of a target. Nothing is sent yet. Tokens are kept with the repository and its clones.
    pub fn repository(&self, target: &Target, credentials: Option<Credentials>) -> Repository {
        Repository::new(Inner {
            doors: self.doors.clone(),
            patience: self.patience.clone(),
            base: target.base().clone(),
            repository: target.repository().to_owned(),
            shown: target.to_string(),
            auth: Auth::new(credentials),
        })
    }
}
