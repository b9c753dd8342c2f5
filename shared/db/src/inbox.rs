//! Requests from outside that were taken: the same request twice is one import.

use model::ImageId;

use crate::{Db, Result, Tx};

impl Tx {
    /// Takes a request by its key; false when it was taken before.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn take(&mut self, key: &str, image: Option<&str>) -> Result<bool> {
        let done = sqlx::query!(
            "insert into inbox (key, image_id) values ($1, $2) on conflict do nothing",
            key,
            image
        )
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Db {
    /// The image that a request taken before made.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn taken(&self, key: &str) -> Result<Option<ImageId>> {
        let id = sqlx::query_scalar!("select image_id from inbox where key = $1", key)
            .fetch_optional(&self.pool)
            .await?;
        Ok(id.flatten().map(ImageId::stored))
    }
}
