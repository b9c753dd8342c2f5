//! Rows, migrations and the outbox: the only room that says sqlx.
//!
//! Postgres is the truth. Every function here is one statement or one transaction; a change of state and the event
//! that tells of it always share one. Writes of a stage carry the attempt they were claimed with, and change nothing
//! once somebody else has claimed the image.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::Notify;

pub mod dead_letter;
pub mod error;
pub mod hub;
pub mod image;
pub mod import;
pub mod inbox;
pub mod integration;
pub mod invariant;
pub mod key;
pub mod log;
pub mod outbox;
pub mod prune;
pub mod source;
pub mod storage;
pub mod store;
mod tx;
pub mod upload;

pub use error::{DbError, Result};
pub use tx::Tx;

/// A pool of connections, and the bell of this process's outbox relay.
#[derive(Debug, Clone)]
pub struct Db {
    pool: sqlx::PgPool,
    unsent: Arc<Notify>,
    known: key::Known,
}

impl Db {
    /// Prepares a pool; no connection is made until one is needed, so a database that is away does not stop a start.
    ///
    /// # Errors
    /// When the URL is not one of a PostgreSQL database.
    pub fn connect(url: &str, connections: u32) -> Result<Self> {
        let options: PgConnectOptions = url.parse().map_err(DbError::from)?;
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(5))
            // Plans are made once a connection: all our statements go by an index, whatever they are given.
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute("set plan_cache_mode = force_generic_plan").await.map(drop)
                })
            })
            .connect_lazy_with(options.application_name("platen"));
        Ok(Self { pool, unsent: Arc::new(Notify::new()), known: key::Known::default() })
    }

    /// Brings the schema up to date. Two at once: one waits for the other.
    ///
    /// # Errors
    /// When the database is away, or a migration fails.
    pub async fn migrate(&self) -> Result<()> {
        sqlx::migrate!().run(&self.pool).await.map_err(|e| DbError::Migrate(Box::new(e)))
    }

    /// Is the database there?
    ///
    /// # Errors
    /// When it is not.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("select 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(Tx::new(self.pool.begin().await?, Arc::clone(&self.unsent)))
    }

    /// Waits until a transaction of this process has left something in the outbox.
    pub async fn outbox_rung(&self) {
        self.unsent.notified().await;
    }

    /// Closes every connection, politely.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A number of bytes as Postgres keeps it.
fn bigint(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A number of bytes as it was kept.
fn bytes(kept: i64) -> u64 {
    u64::try_from(kept).unwrap_or(0)
}
