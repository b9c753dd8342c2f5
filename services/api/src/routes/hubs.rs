//! `/v1/hubs/current`: the caller's hub and what it uses.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use model::api::Storage;
use serde::Serialize;

use crate::App;
use crate::answer::{Answer, data};
use crate::caller::Caller;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/hubs/current", get(current))
        .route("/v1/hubs/current/image-storage", get(storage))
        .route("/v1/hubs/current/image-storage/scrub", post(scrub))
}

#[derive(Debug, Serialize)]
struct Hub {
    id: model::HubId,
    identifier: String,
}

async fn current(Caller(who): Caller) -> Answer<Hub> {
    Ok(data(Hub { id: who.hub, identifier: who.hub_identifier }))
}

async fn storage(State(app): State<App>, Caller(who): Caller) -> Answer<Storage> {
    Ok(data(app.cx.db.storage(&who.hub).await?))
}

/// Has everything that is stored read again, at the rate that scrubs have.
async fn scrub(State(app): State<App>, Caller(who): Caller) -> Answer<Storage> {
    app.cx.db.scrub_all().await?;
    Ok(data(app.cx.db.storage(&who.hub).await?))
}
