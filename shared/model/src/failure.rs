//! A failure as users meet it: a stable code and one sentence.

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
}

impl Failure {
    /// A failure that trying again will not mend.
    pub fn permanent(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), transient: false }
    }

    /// A failure that may pass by itself.
    pub fn transient(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), transient: true }
    }
}
