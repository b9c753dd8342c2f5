//! Image sources. Secrets come and go sealed; this room never sees one in clear.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use model::api::{BuilderChoice, Source};
use model::source::{FlatOptions, Origin};
use model::{HubId, SourceId};
use sqlx::types::Json;

use crate::{Db, DbError, Result};

/// Sealed secrets by the name of their field.
pub type Sealed = BTreeMap<String, String>;

/// A source with its sealed secrets.
#[derive(Debug, Clone)]
pub struct SourceRow {
    /// The source as the API shows it.
    pub source: Source,
    /// Its sealed secrets.
    pub sealed: Sealed,
}

/// A source to keep.
#[derive(Debug, Clone)]
pub struct NewSource<'a> {
    /// Its id: chosen by the caller, since sealed secrets are bound to it.
    pub id: &'a SourceId,
    /// Its hub.
    pub hub: &'a HubId,
    /// Its identifier.
    pub identifier: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its origin, without secrets.
    pub origin: &'a Origin,
    /// Its sealed secrets.
    pub sealed: &'a Sealed,
    /// How flat images are made.
    pub flat: &'a FlatOptions,
    /// Who builds them.
    pub builder: Option<&'a BuilderChoice>,
}

struct Row {
    id: String,
    hub_id: String,
    identifier: String,
    name: String,
    origin: Json<Origin>,
    secrets: Json<Sealed>,
    flat: Json<FlatOptions>,
    builder: Option<Json<BuilderChoice>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for SourceRow {
    fn from(row: Row) -> Self {
        Self {
            source: Source {
                id: SourceId::stored(row.id),
                hub_id: HubId::stored(row.hub_id),
                identifier: row.identifier,
                name: row.name,
                kind: "direct".to_owned(),
                origin: row.origin.0,
                has_credentials: !row.secrets.0.is_empty(),
                flat: row.flat.0,
                builder: row.builder.map(|b| b.0),
                created: row.created_at,
                updated: row.updated_at,
            },
            sealed: row.secrets.0,
        }
    }
}

macro_rules! sources {
    ($tail:literal, $($arg:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"select id, hub_id, identifier, name, origin as "origin: Json<Origin>",
                secrets as "secrets: Json<Sealed>", flat as "flat: Json<FlatOptions>", builder as "builder: Json<BuilderChoice>", created_at, updated_at
            from image_source "# + $tail,
            $($arg),+
        )
    };
}

impl Db {
    /// Keeps a new source.
    ///
    /// # Errors
    /// [`DbError::Conflict`] when the hub has one of that identifier.
    pub async fn create_source(&self, new: NewSource<'_>) -> Result<()> {
        sqlx::query!(
            "insert into image_source (id, hub_id, identifier, name, origin, secrets, flat, builder)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
            new.id.as_str(),
            new.hub.as_str(),
            new.identifier,
            new.name,
            Json(new.origin) as _,
            Json(new.sealed) as _,
            Json(new.flat) as _,
            new.builder.map(Json) as _
        )
        .execute(&self.pool)
        .await
        .map_err(|e| taken(e, new.identifier))?;
        Ok(())
    }

    /// A source of a hub by id or identifier.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn source(&self, hub: &HubId, id_or_identifier: &str) -> Result<Option<SourceRow>> {
        let row = sources!(
            "where hub_id = $1 and (id = $2 or identifier = $2) and deleted_at is null",
            hub.as_str(),
            id_or_identifier
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(SourceRow::from))
    }

    /// A source by its id, whatever its hub: for the stages.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn source_by_id(&self, id: &SourceId) -> Result<Option<SourceRow>> {
        let row = sources!("where id = $1", id.as_str()).fetch_optional(&self.pool).await?;
        Ok(row.map(SourceRow::from))
    }

    /// The sources of a hub, newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sources(&self, hub: &HubId, limit: i64, offset: i64) -> Result<(Vec<SourceRow>, i64)> {
        let rows = sources!(
            "where hub_id = $1 and deleted_at is null order by created_at desc, id desc limit $2 offset $3",
            hub.as_str(),
            limit,
            offset
        )
        .fetch_all(&self.pool)
        .await?;
        let total = sqlx::query_scalar!(
            r#"select count(*) as "n!" from image_source where hub_id = $1 and deleted_at is null"#,
            hub.as_str()
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((rows.into_iter().map(SourceRow::from).collect(), total))
    }

    /// Changes a source; the caller gives everything it has afterwards.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn update_source(&self, new: NewSource<'_>) -> Result<bool> {
        let done = sqlx::query!(
            "update image_source set name = $3, origin = $4, secrets = $5, flat = $6, builder = $7, updated_at = now()
             where id = $1 and hub_id = $2 and deleted_at is null",
            new.id.as_str(),
            new.hub.as_str(),
            new.name,
            Json(new.origin) as _,
            Json(new.sealed) as _,
            Json(new.flat) as _,
            new.builder.map(Json) as _
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Lets a source go; one with images stays.
    ///
    /// # Errors
    /// [`DbError::Conflict`] when it has images.
    pub async fn delete_source(&self, hub: &HubId, id: &SourceId) -> Result<bool> {
        let mut tx = self.pool.begin().await?;
        let found = sqlx::query_scalar!(
            "select id from image_source where id = $1 and hub_id = $2 and deleted_at is null for update",
            id.as_str(),
            hub.as_str()
        )
        .fetch_optional(&mut *tx)
        .await?;
        if found.is_none() {
            return Ok(false);
        }
        let images = sqlx::query_scalar!(
            r#"select count(*) as "n!" from image where source_id = $1 and state <> 'deleted'"#,
            id.as_str()
        )
        .fetch_one(&mut *tx)
        .await?;
        if images > 0 {
            return Err(DbError::Conflict(format!(
                "the source still has {images} images; delete or prune them first"
            )));
        }
        sqlx::query!("update image_source set deleted_at = now(), secrets = '{}' where id = $1", id.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn taken(error: sqlx::Error, identifier: &str) -> DbError {
    if DbError::violates(&error, "image_source_identifier") {
        DbError::Conflict(format!("the hub already has a source `{identifier}`"))
    } else {
        error.into()
    }
}
