//! A failure as users meet it: a stable code and one sentence.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Why something did not work, the same in the API, the log, events and the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// A stable code: `layer.too_large`, `registry.unauthorized`.
    pub code: String,
    /// One sentence for the user: what is wrong and, where it helps, what to do.
    pub message: String,
    /// May the same attempt succeed later without anybody changing anything?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transient: bool,
    /// Whoever failed us asked not to be asked again before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<DateTime<Utc>>,
}

impl Failure {
    /// A failure that may pass by itself, or not.
    pub fn new(code: &str, message: impl Into<String>, transient: bool) -> Self {
        Self { code: code.to_owned(), message: message.into(), transient, retry_at: None }
    }

    /// A failure that trying again will not mend.
    pub fn permanent(code: &str, message: impl Into<String>) -> Self {
        Self::new(code, message, false)
    }

    /// A failure that may pass by itself.
    pub fn transient(code: &str, message: impl Into<String>) -> Self {
        Self::new(code, message, true)
    }
}
