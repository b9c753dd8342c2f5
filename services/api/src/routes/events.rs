//! `/v1/events`: the ledger of a hub's events, once or as a stream.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use model::HubId;
use model::api::LedgerEvent;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::App;
use crate::answer::{Query, Refusal};
use crate::caller::Caller;
use crate::sse::Ear;

const PAGE: i64 = 500;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/v1/events", get(events))
}

#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default)]
    after: i64,
    #[serde(default)]
    follow: bool,
    limit: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Page {
    data: Vec<LedgerEvent>,
    next: i64,
}

async fn events(
    State(app): State<App>,
    Caller(who): Caller,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let resumed = headers.get("last-event-id").and_then(|v| v.to_str().ok()?.parse::<i64>().ok());
    let after = resumed.unwrap_or(wanted.after);
    if wanted.follow {
        let (send, events) = mpsc::channel(256);
        tokio::spawn(async move {
            let shutdown = app.cx.shutdown.clone();
            let _ = shutdown.run_until_cancelled(pump(&app, &who.hub, after, &send)).await;
        });
        let stream = Sse::new(ReceiverStream::new(events));
        return Ok(stream.keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response());
    }
    let limit = wanted.limit.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return Err(Refusal::invalid("limit", format!("`limit` is from 1 to {PAGE}.")));
    }
    let data = app.cx.db.ledger(&who.hub, after, limit).await?;
    let next = data.last().map_or(after, |last| last.cursor);
    Ok(Json(Page { data, next }).into_response())
}

type Sender = mpsc::Sender<Result<Event, Infallible>>;

async fn pump(app: &App, hub: &HubId, mut after: i64, send: &Sender) -> Option<()> {
    let mut ear = Ear::on(&app.cx.bus, "image.>").await;
    loop {
        let events = app.cx.db.ledger(hub, after, PAGE).await.ok()?;
        let full = i64::try_from(events.len()).unwrap_or(0) == PAGE;
        for event in events {
            after = event.cursor;
            let name = event.event.kind.clone();
            let sse = Event::default().event(name).id(after.to_string()).json_data(&event.event).ok()?;
            send.send(Ok(sse)).await.ok()?;
        }
        if !full {
            tokio::select! {
                _ = ear.wait() => {}
                () = send.closed() => return None,
            }
        }
    }
}
