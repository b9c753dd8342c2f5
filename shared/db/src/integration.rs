//! What hubs work with that is not Platen's own. Secrets come and go sealed.

use chrono::{DateTime, Utc};
use model::api::{ImageBuilder, Integration};
use model::{HubId, IntegrationId};
use sqlx::types::Json;

use crate::source::Sealed;
use crate::{Db, DbError, Result};

struct Row {
    id: String,
    hub_id: String,
    identifier: String,
    name: String,
    details: Json<ImageBuilder>,
    secrets: Json<Sealed>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for (Integration, Sealed) {
    fn from(row: Row) -> Self {
        let integration = Integration {
            id: IntegrationId::stored(row.id),
            hub_id: HubId::stored(row.hub_id),
            identifier: row.identifier,
            name: row.name,
            builder: row.details.0,
            created: row.created_at,
            updated: row.updated_at,
        };
        (integration, row.secrets.0)
    }
}

impl Db {
    /// Keeps a new integration.
    ///
    /// # Errors
    /// [`DbError::Conflict`] when the hub has one of that identifier.
    pub async fn create_integration(
        &self,
        hub: &HubId,
        id: &IntegrationId,
        (identifier, name): (&str, &str),
        builder: &ImageBuilder,
        sealed: &Sealed,
    ) -> Result<()> {
        sqlx::query!(
            "insert into integration (id, hub_id, identifier, name, details, secrets) values ($1, $2, $3, $4, $5, $6)",
            id.as_str(),
            hub.as_str(),
            identifier,
            name,
            Json(builder) as _,
            Json(sealed) as _
        )
        .execute(&self.pool)
        .await
        .map_err(|e| match DbError::violates(&e, "integration_identifier") {
            true => DbError::Conflict(format!("the hub already has an integration `{identifier}`")),
            false => e.into(),
        })?;
        Ok(())
    }

    /// An integration of a hub by id or identifier, with its sealed secrets.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn integration(&self, hub: &HubId, name: &str) -> Result<Option<(Integration, Sealed)>> {
        let row = sqlx::query_as!(
            Row,
            r#"select id, hub_id, identifier, name, details as "details: Json<ImageBuilder>",
                secrets as "secrets: Json<Sealed>", created_at, updated_at
               from integration where hub_id = $1 and (id = $2 or identifier = $2) and deleted_at is null"#,
            hub.as_str(),
            name
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(Row::into))
    }

    /// The integrations of a hub, newest first: there are few.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn integrations(&self, hub: &HubId) -> Result<Vec<Integration>> {
        let rows = sqlx::query_as!(
            Row,
            r#"select id, hub_id, identifier, name, details as "details: Json<ImageBuilder>",
                secrets as "secrets: Json<Sealed>", created_at, updated_at
               from integration where hub_id = $1 and deleted_at is null order by created_at desc, id desc"#,
            hub.as_str()
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| <(Integration, Sealed)>::from(row).0).collect())
    }

    /// Lets an integration go, and forgets its secrets.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_integration(&self, hub: &HubId, id: &IntegrationId) -> Result<bool> {
        let done = sqlx::query!(
            "update integration set deleted_at = now(), secrets = '{}' where hub_id = $1 and id = $2 and deleted_at is null",
            hub.as_str(),
            id.as_str()
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
