//! Asking for an import, and calling it off.

use model::Failure;
use model::event::ImageImportRequested;

use super::*;

impl Tx {
    /// Asks for an import into a shell; a new one starts afresh, with no pin and no failures.
    ///
    /// # Errors
    /// [`DbError::Conflict`] when the image is not `new` or an import is already wanted.
    pub async fn request_import(&mut self, hub: &HubId, image: &ImageId, from: &str) -> Result<()> {
        let done = sqlx::query!(
            "update image set requested_at = now(), last_requested_at = now(), pin = null, error = null, failures = 0, lapses = 0, retry_at = null
             where id = $1 and hub_id = $2 and state = 'new' and requested_at is null",
            image.as_str(),
            hub.as_str()
        )
        .execute(self.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(DbError::Conflict(
                "only a new image can be imported into, and only one import at a time".to_owned(),
            ));
        }
        self.open_log(image).await?;
        let event = ImageImportRequested { image: Some(image.clone()), ..ImageImportRequested::default() };
        self.tell(hub, Some(image.as_str()), from, &event).await
    }
}

impl Db {
    /// Tries an import again now that waits after a failed attempt. False when none waits.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn retry_now(&self, hub: &HubId, image: &ImageId, from: &str) -> Result<bool> {
        let mut tx = self.begin().await?;
        let done = sqlx::query!(
            "update image set retry_at = null
             where id = $1 and hub_id = $2 and requested_at is not null and retry_at > now()",
            image.as_str(),
            hub.as_str()
        )
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let event = ImageImportRequested { image: Some(image.clone()), ..ImageImportRequested::default() };
        tx.tell(hub, Some(image.as_str()), from, &event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Calls an import off, whoever is at it. False when none is under way.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn cancel_import(&self, hub: &HubId, image: &ImageId, from: &str) -> Result<bool> {
        let mut tx = self.begin().await?;
        // The fence moves on: the worker's next write finds its claim lost.
        let row = sqlx::query!(
            "update image set attempt = attempt + 1 where id = $1 and hub_id = $2 and requested_at is not null
             returning attempt",
            image.as_str(),
            hub.as_str()
        )
        .fetch_optional(tx.conn())
        .await?;
        let Some(row) = row else { return Ok(false) };
        let why = Failure::permanent("import.cancelled", "The import was cancelled.");
        tx.fail(hub, image, row.attempt, &why, from).await?;
        tx.commit().await?;
        Ok(true)
    }
}
