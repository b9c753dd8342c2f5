//! Errors as the OCI distribution specification answers them ("Error Codes").

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use chassis::access::Denied;
use db::DbError;
use serde_json::json;

/// A refusal.
#[derive(Debug)]
pub(crate) struct V2Error {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl V2Error {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn name_unknown(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", format!("there is no repository `{name}`"))
    }

    pub(super) fn manifest_unknown(reference: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", format!("there is no live image `{reference}`"))
    }

    pub(super) fn blob_unknown(digest: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", format!("there is no blob `{digest}`"))
    }

    pub(super) fn unsupported() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "this registry is read-only: import to add images",
        )
    }

    /// The database could not be asked.
    pub(super) fn away() -> Self {
        Self::not_ready("the factory's database is not reachable")
    }

    fn not_ready(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
    }
}

impl IntoResponse for V2Error {
    fn into_response(self) -> Response<Body> {
        let body = json!({ "errors": [{ "code": self.code, "message": self.message, "detail": null }] });
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert("docker-distribution-api-version", HeaderValue::from_static("registry/2.0"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"platen\""));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

impl From<Denied> for V2Error {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unknown(_) => Self::not_ready("the factory's database is not reachable"),
            denied => Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", denied.to_string()),
        }
    }
}

impl From<DbError> for V2Error {
    fn from(error: DbError) -> Self {
        if !matches!(error, DbError::Unavailable(_)) {
            tracing::error!(error = %chassis::halt::chain(&error), "a pull failed");
        }
        Self::away()
    }
}

impl From<store::Error> for V2Error {
    fn from(error: store::Error) -> Self {
        tracing::error!(code = error.code(), error = %chassis::halt::chain(&error), "a pull failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "UNKNOWN",
            "the blob cannot be read; import the image again",
        )
    }
}
