//! API keys. Only the SHA-256 of a key is kept, never the key.

use model::access::Principal;
use model::{HubId, KeyId};

use crate::{Db, Result};

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
