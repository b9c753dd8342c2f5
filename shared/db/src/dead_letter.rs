//! Dead letters: messages that could not be understood, with the reason.

use model::ImageId;

use crate::{Db, Result};

impl Db {
    /// Keeps a dead letter. Its body is cut at 64 KiB.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn bury(&self, subject: &str, reason: &str, body: &[u8]) -> Result<()> {
        let head = body.get(..64 * 1024).unwrap_or(body);
        let id = ImageId::new();
        sqlx::query!(
            "insert into dead_letter (id, subject, reason, body) values ($1, $2, $3, $4)",
            id.as_str(),
            subject,
            reason,
            head
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The reasons of the newest dead letters, newest first, with their subjects.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn dead_letters(&self, limit: i64) -> Result<Vec<(String, String)>> {
        let rows =
            sqlx::query!("select subject, reason from dead_letter order by created_at desc limit $1", limit)
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().map(|r| (r.subject, r.reason)).collect())
    }
}
