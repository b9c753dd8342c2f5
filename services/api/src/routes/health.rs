//! `/healthz`, `/readyz`, `/version`: the only routes that ask for no key.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/version", get(async || Json(json!({ "version": env!("CARGO_PKG_VERSION") }))))
}

async fn ready(State(app): State<App>) -> Response {
    let database = app.cx.db.ping().await.is_ok();
    let bus = app.cx.bus.is_connected();
    let word = |up: bool| if up { "up" } else { "down" };
    let status = if database && bus { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "database": word(database), "nats": word(bus) }))).into_response()
}
