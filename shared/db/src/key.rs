//! API keys. Only the SHA-256 of a key is kept, never the key.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use model::access::Principal;
use model::{HubId, KeyId};

use crate::{Db, Result};

/// How long a key that was found is believed without asking again.
pub const LATELY: Duration = Duration::from_secs(2);

/// This many keys are remembered.
const MOST: usize = 1024;

/// Keys that were found lately, by their hashes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known(Arc<RwLock<Found>>);

/// By hash: when it was asked for, and whose it is.
type Found = HashMap<[u8; 32], (Instant, Principal)>;

impl Known {
    fn get(&self, hash: &[u8; 32]) -> Option<Principal> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(hash).filter(|(at, _)| at.elapsed() < LATELY).map(|(_, principal)| principal.clone())
    }

    fn put(&self, hash: [u8; 32], asked: Instant, principal: Principal) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (at, _)| at.elapsed() < LATELY);
        }
        if known.len() < MOST {
            known.insert(hash, (asked, principal));
        }
    }
}

impl Db {
    /// Keeps a key by its hash.
    ///
    /// # Errors
    /// When the database is away, or the key is there already.
    pub async fn create_key(&self, hub: &HubId, name: &str, prefix: &str, hash: &[u8; 32]) -> Result<KeyId> {
        let id = KeyId::new();
        sqlx::query!(
            "insert into api_key (id, hub_id, name, prefix, hash) values ($1, $2, $3, $4, $5)",
            id.as_str(),
            hub.as_str(),
            name,
            prefix,
            hash.as_slice()
        )
        .execute(&self.pool)
        .await?;
        Ok(id)
    }

    /// Whose key has this hash, as of at most [`LATELY`] ago? A key that is revoked is refused by then at the latest; one
    /// that is new is known at once, since only keys that were found are remembered.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn principal_lately(&self, hash: &[u8; 32]) -> Result<Option<Principal>> {
        if let Some(principal) = self.known.get(hash) {
            return Ok(Some(principal));
        }
        // The time is taken before the question: the answer is no younger than that.
        let asked = Instant::now();
        let found = self.principal(hash).await?;
        if let Some(principal) = &found {
            self.known.put(*hash, asked, principal.clone());
        }
        Ok(found)
    }

    /// Whose key has this hash? A key is 256 random bits, so looking its hash up by equality tells an attacker
    /// nothing that guessing would not.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn principal(&self, hash: &[u8; 32]) -> Result<Option<Principal>> {
        let row = sqlx::query!(
            "select k.id, k.hub_id, h.identifier from api_key k join hub h on h.id = k.hub_id
             where k.hash = $1 and k.revoked_at is null",
            hash.as_slice()
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|r| Principal {
            hub: HubId::stored(r.hub_id),
            hub_identifier: r.identifier,
            key: KeyId::stored(r.id),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_believed_only_lately_and_only_so_many_are() {
        let known = Known::default();
        let who =
            |name: &str| Principal { hub: HubId::new(), hub_identifier: name.to_owned(), key: KeyId::new() };
        let now = Instant::now();
        known.put([1; 32], now, who("one"));
        assert_eq!(known.get(&[1; 32]).unwrap().hub_identifier, "one");
        assert!(known.get(&[2; 32]).is_none());
        // By the time of the question, not of the answer.
        known.put([1; 32], now.checked_sub(LATELY).unwrap(), who("one"));
        assert!(known.get(&[1; 32]).is_none());
        for number in 0..2 * MOST as u64 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            known.put(hash, Instant::now(), who("many"));
        }
        assert!(known.0.read().unwrap().len() <= MOST);
    }
}
