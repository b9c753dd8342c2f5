//! Why a stage stopped short.

use db::DbError;
use model::Failure;

/// Why a stage stopped short.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// Somebody else has the import now, or it was cancelled: leave, and touch nothing.
    #[error("the lease was lost")]
    LeaseLost,
    /// It failed. The chain behind the user's sentence is for the operator's log.
    #[error("{failure}")]
    Failed {
        /// What the user is told.
        failure: Failure,
        /// What the operator's log is told.
        chain: String,
    },
}

impl Halt {
    /// A failure with the error it comes from.
    pub fn failed(failure: Failure, cause: &(dyn std::error::Error + 'static)) -> Self {
        Self::Failed { failure, chain: chain(cause) }
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed { failure, chain: String::new() }
    }
}

impl From<DbError> for Halt {
    fn from(error: DbError) -> Self {
        match error {
            DbError::LeaseLost => Self::LeaseLost,
            DbError::Conflict(sentence) => Failure::transient("store.conflict", sentence).into(),
            error if error.is_permanent() => {
                let told = "A record of this image cannot be read; see the factory's own log.";
                Self::failed(Failure::permanent("internal.record", told), &error)
            }
            error => {
                let told = "The factory's database was not reachable.";
                Self::failed(Failure::transient("internal.database", told), &error)
            }
        }
    }
}

/// An error and what caused it, on one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
