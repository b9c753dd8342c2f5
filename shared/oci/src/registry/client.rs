//! The client: one a process, shared by all pulls.

use std::sync::Arc;

use super::auth::{Auth, Credentials};
use super::door::Doors;
use super::recent::{self, Documents, Repositories};
use super::repository::{Inner, Repository};
use super::{NetworkPolicy, Patience, RegistryError};
use crate::reference::Target;

/// Pulls from registries, within one [`NetworkPolicy`]. Cheap to clone; connections are pooled.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) doors: Arc<Doors>,
    pub(super) patience: Arc<Patience>,
    repositories: Arc<Repositories>,
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
        let doors = Arc::new(Doors::new(policy, &patience)?);
        Ok(Self { doors, patience: Arc::new(patience), repositories: Arc::default() })
    }

    /// What it may connect to: for those who go out by other means.
    pub fn policy(&self) -> &NetworkPolicy {
        &self.doors.policy
    }

    /// The repository of a target. Nothing is sent yet. Who asks for the same with the same credentials within a minute shares
    /// its tokens, and its manifests and configs as far as they are known by digest.
    pub fn repository(&self, target: &Target, credentials: Option<Credentials>) -> Repository {
        let shown = target.to_string();
        self.repositories.get(recent::key(&shown, credentials.as_ref()), || {
            Repository::new(Inner {
                doors: self.doors.clone(),
                patience: self.patience.clone(),
                base: target.base().clone(),
                repository: target.repository().to_owned(),
                shown: shown.clone(),
                auth: Auth::new(credentials),
                documents: Documents::default(),
            })
        })
    }
}
