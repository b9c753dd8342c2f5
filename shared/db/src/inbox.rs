//! Requests from outside that were taken: the same request twice is one import.

use crate::{Result, Tx};

impl Tx {
    /// Takes a request by its key; false when it was taken before.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn take(&mut self, key: &str, image: Option<&str>) -> Result<bool> {
        let done = sqlx::query!("insert into inbox (key, image_id) values ($1, $2) on conflict do nothing", key, image)
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
