//! Looking over the packs: which there are, and letting one go.

use super::PackId;
use crate::{Error, Store};
use std::time::Duration;

/// A pack found in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackEntry {
    /// Its id.
    pub id: PackId,
    /// Its size so far, in bytes.
    pub size: u64,
    /// Time since its last write.
    pub age: Duration,
    /// Whether it is a whole pack, or one being written (or left by a crash).
    pub finished: bool,
}

impl Store {
    /// Every pack, finished or not, in no order. Names that are not packs are passed over.
    ///
    /// # Errors
    /// `store.io`.
    pub async fn list_packs(&self) -> Result<Vec<PackEntry>, Error> {
        let found = self.disk().list("packs").await?;
        Ok(found
            .into_iter()
            .map(|found| PackEntry {
                id: PackId(found.id),
                size: found.size,
                age: found.age,
                finished: found.finished,
            })
            .collect())
    }

    /// Whether the finished pack is there.
    ///
    /// # Errors
    /// `store.io`.
    pub async fn pack_exists(&self, id: PackId) -> Result<bool, Error> {
        self.disk().exists(&id.object()).await
    }

    /// Removes a pack, finished or not; one that is not there is removed already.
    ///
    /// # Errors
    /// `store.io`.
    pub async fn delete_pack(&self, id: PackId) -> Result<(), Error> {
        self.disk().delete(&id.object()).await
    }
}
