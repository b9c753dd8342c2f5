//! An error as the API answers it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `{error: …, data: null}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: ApiError,
    /// Always null.
    pub data: Option<()>,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// `<status>.<reason>`, stable.
    pub code: String,
    /// A short title.
    pub title: String,
    /// One sentence about this very case.
    pub detail: String,
    /// Which part of the request, where that can be told.
    #[serde(default)]
    pub source: Option<String>,
    /// Anything more a program may want.
    #[serde(default)]
    pub extra: Option<Value>,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ApiError {}
