//! Images as the API shows them.

use chrono::{DateTime, Utc};
use model::api::{self, Image, Override};
use model::image::FlatFigures;
use model::{HubId, ImageId, SourceId, State};
use serde_json::Value;
use sqlx::types::Json;

use crate::source::Sealed;
use crate::{Db, Result, bytes};

mod create;
mod row;

pub use create::NewImage;
use row::ImageRow;

/// Which images of a hub.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<State>,
    /// Only of this source, by id.
    pub source: Option<String>,
    /// Only with exactly this name.
    pub name: Option<String>,
    /// Also those already deleted; also when `state` asks for them.
    pub deleted: bool,
}

macro_rules! images {
    ($tail:literal, $($arg:expr),+) => {
        sqlx::query_as!(
            ImageRow,
            r#"select i.id, i.hub_id, i.name, i.size, i.source_id, s.identifier as source_identifier,
                s.origin ->> 'type' as "source_kind!", i.overrides as "overrides: Json<Override>",
                i.build as "build: Json<api::BuildOptions>", i.secrets as "secrets: Json<Sealed>", i.config, i.state,
                i.state_since, i.requested_at, i.last_requested_at, i.retry_at, i.error as "error: Json<api::StateError>",
                i.manifest_digest, i.diff_id, i.platform, i.platforms, i.pin, i.flat as "flat: Json<FlatFigures>", i.verified,
                i.warnings as "warnings: Json<Vec<String>>", i.tries, i.last_used, i.creator, i.created_at, i.live_at,
                i.deleted_at
            from image i join image_source s on s.id = i.source_id "# + $tail,
            $($arg),+
        )
    };
}

impl Db {
    /// One image of a hub.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn image(&self, hub: &HubId, id: &str) -> Result<Option<Image>> {
        let row =
            images!("where i.hub_id = $1 and i.id = $2", hub.as_str(), id).fetch_optional(&self.pool).await?;
        Ok(row.map(Image::from))
    }

    /// The newest image of this name in a hub: the live one if there is one, else the newest.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn image_by_name(&self, hub: &HubId, name: &str) -> Result<Option<Image>> {
        let row = images!(
            "where i.hub_id = $1 and i.name = $2 and i.state <> 'deleted'
             order by (i.state = 'live') desc, i.created_at desc, i.id desc limit 1",
            hub.as_str(),
            name
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(Image::from))
    }

    /// Images of a hub, newest first, and how many there are in all.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn images(
        &self,
        hub: &HubId,
        filter: &Filter,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<Image>, i64)> {
        let state = filter.state.map(State::as_str);
        let deleted = filter.deleted || filter.state == Some(State::Deleted);
        let rows = images!(
            "where i.hub_id = $1 and ($2::text is null or i.state = $2) and ($3::text is null or i.source_id = $3)
                and ($4::text is null or i.name = $4) and ($5 or i.state <> 'deleted')
             order by i.created_at desc, i.id desc limit $6 offset $7",
            hub.as_str(),
            state,
            filter.source,
            filter.name,
            deleted,
            limit,
            offset
        )
        .fetch_all(&self.pool)
        .await?;
        let total = sqlx::query_scalar!(
            r#"select count(*) as "n!" from image i
               where i.hub_id = $1 and ($2::text is null or i.state = $2) and ($3::text is null or i.source_id = $3)
                and ($4::text is null or i.name = $4) and ($5 or i.state <> 'deleted')"#,
            hub.as_str(),
            state,
            filter.source,
            filter.name,
            deleted
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((rows.into_iter().map(Image::from).collect(), total))
    }

    /// Gives an image another name.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn rename_image(&self, hub: &HubId, id: &ImageId, name: &str) -> Result<bool> {
        let done = sqlx::query!(
            "update image set name = $3 where hub_id = $1 and id = $2 and state <> 'deleted'",
            hub.as_str(),
            id.as_str(),
            name
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
