//! A transaction that rings the outbox relay once it is committed.

use std::sync::Arc;

use sqlx::{PgConnection, Postgres};
use tokio::sync::Notify;

use crate::Result;

/// A transaction. Dropping it undoes everything.
#[derive(Debug)]
pub struct Tx {
    inner: sqlx::Transaction<'static, Postgres>,
    unsent: Arc<Notify>,
    pub(crate) events: usize,
}

impl Tx {
    pub(crate) fn new(inner: sqlx::Transaction<'static, Postgres>, unsent: Arc<Notify>) -> Self {
        Self { inner, unsent, events: 0 }
    }

    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        &mut self.inner
    }

    /// Makes it true, then rings the relay if events were left in the outbox.
    ///
    /// # Errors
    /// When the database is away; then nothing has happened, or (the answer was lost) everything has.
    pub async fn commit(self) -> Result<()> {
        self.inner.commit().await?;
        if self.events > 0 {
            self.unsent.notify_one();
        }
        Ok(())
    }
}
