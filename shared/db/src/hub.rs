//! Hubs: tenants.

use model::HubId;

use crate::{Db, Result, bigint};

/// A hub.
#[derive(Debug, Clone)]
pub struct Hub {
    /// Its id.
    pub id: HubId,
    /// Its identifier: the first part of references to pull by.
    pub identifier: String,
}

impl Db {
    /// The hub of this identifier, made if it is not there.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn ensure_hub(&self, identifier: &str) -> Result<Hub> {
        let id = HubId::new();
        sqlx::query!(
            "insert into hub (id, identifier, name) values ($1, $2, $2) on conflict (identifier) do nothing",
            id.as_str(),
            identifier
        )
        .execute(&self.pool)
        .await?;
        let id = sqlx::query_scalar!("select id from hub where identifier = $1", identifier)
            .fetch_one(&self.pool)
            .await?;
        Ok(Hub { id: HubId::stored(id), identifier: identifier.to_owned() })
    }

    /// A hub by id or identifier.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn hub(&self, id_or_identifier: &str) -> Result<Option<Hub>> {
        let row = sqlx::query!(
            "select id, identifier from hub where id = $1 or identifier = $1 limit 1",
            id_or_identifier
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|r| Hub { id: HubId::stored(r.id), identifier: r.identifier }))
    }

    /// Sets the most a hub may use, in bytes.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn set_storage_limit(&self, hub: &HubId, limit: Option<u64>) -> Result<()> {
        sqlx::query!("update hub set storage_limit = $2 where id = $1", hub.as_str(), limit.map(bigint))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
