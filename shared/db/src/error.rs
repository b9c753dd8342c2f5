//! What can go wrong with a row.

/// The result of a statement.
pub type Result<T> = std::result::Result<T, DbError>;

/// Why a statement did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Somebody else has claimed the image since: discard the work and leave.
    #[error("the lease was lost: somebody else has taken this import over")]
    LeaseLost,
    /// The rows are not as the request needs them.
    #[error("{0}")]
    Conflict(String),
    /// The database cannot be reached, or refuses to serve just now.
    #[error("the database cannot be reached")]
    Unavailable(#[source] sqlx::Error),
    /// A statement failed.
    #[error("the database refused a statement")]
    Sql(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database schema could not be brought up to date")]
    Migrate(#[source] Box<sqlx::migrate::MigrateError>),
    /// A row holds JSON that is not what it should be.
    #[error("a row holds JSON of another shape")]
    Json(#[from] serde_json::Error),
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Tls(_) => Self::Unavailable(error),
            // 57P: the server is stopping or starting; 53: out of connections, disk or memory; 25006: read-only.
            sqlx::Error::Database(d)
                if d.code().is_some_and(|c| c.starts_with("57P") || c.starts_with("53") || c == "25006") =>
            {
                Self::Unavailable(error)
            }
            _ => Self::Sql(error),
        }
    }
}

impl DbError {
    /// Would trying again later do anything else?
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Json(_))
    }

    /// Does a unique constraint or index of this name object?
    pub(crate) fn violates(error: &sqlx::Error, constraint: &str) -> bool {
        matches!(error, sqlx::Error::Database(d) if d.constraint() == Some(constraint))
    }
}
