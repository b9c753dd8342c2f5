//! Answers: `{data}` when it worked, `{error, data: null}` when it did not.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chassis::access::Denied;
use db::DbError;
use model::api::{ApiError, Data, ErrorBody};
use serde::Serialize;

/// What a route answers.
pub(crate) type Answer<T> = Result<Json<Data<T>>, Refusal>;

/// Wraps what was asked for.
pub(crate) fn data<T: Serialize>(data: T) -> Json<Data<T>> {
    Json(Data { data })
}

/// Why a request was refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    reason: &'static str,
    title: &'static str,
    detail: String,
    source: Option<String>,
}

impl Refusal {
    fn new(status: StatusCode, reason: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, reason, title, detail: detail.into(), source: None }
    }

    /// There is no such thing, or the caller may not know that there is.
    pub(crate) fn not_found(reason: &'static str, what: &str, id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            reason,
            "Not found",
            format!("There is no {what} `{id}` in this hub."),
        )
    }

    /// A field of the request is not what it must be.
    pub(crate) fn invalid(field: &str, detail: impl Into<String>) -> Self {
        let refusal =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-argument", "Invalid argument", detail);
        Self { source: Some(field.to_owned()), ..refusal }
    }

    /// What is asked for makes no sense for this thing.
    pub(crate) fn invalid_input(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-input", "Invalid input", detail)
    }

    /// It was tried, and did not work, for a reason with a code of its own.
    pub(crate) fn unprocessable(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, reason, "It does not work", detail)
    }

    /// The thing is not in a state that allows it.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "Conflict", detail)
    }

    /// The body is larger than it may be.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail)
    }

    /// The caller may not do this.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permissions", "Not allowed", detail)
    }

    /// It cannot be promised just now.
    pub(crate) fn not_ready(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready", detail)
    }

    /// Something of ours is broken. The chain goes to the operator's log, not to the caller.
    pub(crate) fn internal(error: &anyhow::Error) -> Self {
        tracing::error!(error = %format!("{error:#}"), "a request failed");
        let detail = "Something in the factory is broken; its log tells what.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status;
        let error = ApiError {
            status: status.as_u16(),
            code: format!("{}.{}", status.as_u16(), self.reason),
            title: self.title.to_owned(),
            detail: self.detail,
            source: self.source,
            extra: None,
        };
        let mut response = (status, Json(ErrorBody { error, data: None })).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("2"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                header::HeaderValue::from_static("Bearer realm=\"platen\""),
            );
        }
        response
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Conflict(sentence) => Self::conflict(sentence),
            DbError::Unavailable(_) => {
                Self::not_ready("The factory's database is not reachable; try again shortly.")
            }
            DbError::LeaseLost => Self::conflict("The image has just been changed by somebody else."),
            other => Self::internal(&other.into()),
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unknown(_) => Self::not_ready(denied.to_string()),
            denied => Self::new(StatusCode::UNAUTHORIZED, "auth", "Not authenticated", denied.to_string()),
        }
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::internal(&error)
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        let (status, reason, title) = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            StatusCode::UNPROCESSABLE_ENTITY => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid-argument", "Invalid argument")
            }
            _ => (StatusCode::BAD_REQUEST, "invalid-json", "Invalid JSON"),
        };
        Self { source: Some("body".to_owned()), ..Self::new(status, reason, title, rejection.body_text()) }
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self::invalid("query", rejection.body_text())
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::invalid("path", rejection.body_text())
    }
}

/// Any path this service does not have.
pub(crate) async fn no_such_route(uri: axum::http::Uri) -> Refusal {
    let detail = format!("There is nothing at `{}`.", uri.path());
    Refusal::new(StatusCode::NOT_FOUND, "route", "Not found", detail)
}

/// A JSON body whose mistakes are answered in the API's own shape.
#[derive(axum::extract::FromRequest)]
#[from_request(via(Json), rejection(Refusal))]
pub(crate) struct Body<T>(pub T);

/// A query whose mistakes are answered in the API's own shape.
#[derive(axum::extract::FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Refusal))]
pub(crate) struct Query<T>(pub T);
