//! Making a shell: an id to import into.

use model::api::BuildOptions;
use model::event::ImageCreated;
use model::{HubId, ImageId, SourceId};
use serde_json::Value;
use sqlx::types::Json;

use super::Override;
use crate::source::Sealed;
use crate::{Result, Tx};

/// A shell to make.
#[derive(Debug, Clone)]
pub struct NewImage<'a> {
    /// Its id.
    pub id: &'a ImageId,
    /// Its hub.
    pub hub: &'a HubId,
    /// Its source.
    pub source: &'a SourceId,
    /// Its name.
    pub name: &'a str,
    /// What it takes instead of the source's own.
    pub overrides: Option<&'a Override>,
    /// How it is built, and the secrets it is built with.
    pub build: Option<(&'a BuildOptions, &'a Sealed)>,
    /// Who makes it.
    pub creator: &'a Value,
    /// Ask for the import at once.
    pub import: bool,
}

impl Tx {
    /// Makes a shell and tells of it. `from` is the service that does.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn create_image(&mut self, new: NewImage<'_>, from: &str) -> Result<()> {
        sqlx::query!(
            "insert into image (id, hub_id, source_id, name, overrides, creator, requested_at, last_requested_at,
                build, secrets)
             values ($1, $2, $3, $4, $5, $6, case when $7 then now() end, case when $7 then now() end, $8, coalesce($9::jsonb, '{}'::jsonb))",
            new.id.as_str(),
            new.hub.as_str(),
            new.source.as_str(),
            new.name,
            new.overrides.map(Json) as _,
            new.creator,
            new.import,
            new.build.map(|(options, _)| Json(options)) as _,
            new.build.map(|(_, secrets)| Json(secrets)) as _
        )
        .execute(self.conn())
        .await?;
        sqlx::query!("insert into image_log (image_id) values ($1)", new.id.as_str())
            .execute(self.conn())
            .await?;
        let event = ImageCreated {
            image: new.id.clone(),
            source: new.source.clone(),
            name: new.name.to_owned(),
            import: new.import,
        };
        self.tell(new.hub, Some(new.id.as_str()), from, &event).await
    }
}
