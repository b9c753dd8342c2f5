//! Archives uploaded into an image: who may, until when, and what arrived.

use std::time::Duration;

use chrono::{DateTime, Utc};
use model::{HubId, ImageId};

use crate::{Db, DbError, Result, Tx, bigint};

impl Db {
    /// Whose upload is this? The image must be new and its ticket good.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn upload_allowed(&self, image: &ImageId, token_hash: &[u8; 32]) -> Result<bool> {
        let found = sqlx::query_scalar!(
            r#"select exists (select 1 from image where id = $1 and upload_hash = $2 and upload_expires > now()
                and state = 'new' and requested_at is null) as "found!""#,
            image.as_str(),
            token_hash.as_slice()
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(found)
    }

    /// Has this image a ticket, and has what it lets in not arrived whole?
    ///
    /// # Errors
    /// When the database is away.
    pub async fn waits_for_upload(&self, image: &ImageId) -> Result<bool> {
        let found = sqlx::query_scalar!(
            r#"select upload_hash is not null and upload_digest is null as "found!" from image where id = $1"#,
            image.as_str()
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(found.unwrap_or(false))
    }

    /// Images whose staged archive is no longer needed or never came: the staged bytes may go.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn upload_is_needed(&self, image: &ImageId) -> Result<bool> {
        let found = sqlx::query_scalar!(
            r#"select exists (select 1 from image where id = $1 and state not in ('live', 'deleting', 'deleted')
                and (upload_expires > now() or requested_at is not null)) as "found!""#,
            image.as_str()
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(found)
    }
}

impl Tx {
    /// Gives a shell an upload ticket.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn grant_upload(
        &mut self,
        image: &ImageId,
        token_hash: &[u8; 32],
        good_for: Duration,
        import_after: bool,
    ) -> Result<DateTime<Utc>> {
        let expires = sqlx::query_scalar!(
            r#"update image set upload_hash = $2, upload_expires = now() + make_interval(secs => $3), import_after_upload = $4
               where id = $1 returning upload_expires as "expires!""#,
            image.as_str(),
            token_hash.as_slice(),
            good_for.as_secs_f64(),
            import_after
        )
        .fetch_one(self.conn())
        .await?;
        Ok(expires)
    }

    /// The hub of an image.
    ///
    /// # Errors
    /// [`DbError::Conflict`] when there is no such image.
    pub async fn image_hub(&mut self, image: &ImageId) -> Result<HubId> {
        let hub = sqlx::query_scalar!("select hub_id from image where id = $1", image.as_str())
            .fetch_optional(self.conn())
            .await?;
        hub.map(HubId::stored).ok_or_else(|| DbError::Conflict("there is no such image".to_owned()))
    }

    /// The archive is staged whole. True when the import was asked for together with the shell.
    ///
    /// # Errors
    /// [`DbError::Conflict`] when the image is not waiting for an archive.
    pub async fn uploaded(&mut self, image: &ImageId, digest: &str, size: u64) -> Result<bool> {
        let row = sqlx::query!(
            "update image set upload_digest = $2, upload_size = $3
             where id = $1 and state = 'new' and requested_at is null returning import_after_upload",
            image.as_str(),
            digest,
            bigint(size)
        )
        .fetch_optional(self.conn())
        .await?;
        row.map(|r| r.import_after_upload)
            .ok_or_else(|| DbError::Conflict("the image is not waiting for an archive".to_owned()))
    }
}
