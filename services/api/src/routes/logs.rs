//! `/v1/images/{id}/build-log`: the whole log, or a stream of it that resumes exactly.
//!
//! Lines are read only from what is kept, by offset; the bus merely tells when to look. So a follower sees first the
//! kept lines, then the live ones, with no gap and no line twice.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chassis::logblock;
use futures::Stream;
use model::ImageId;
use model::api::BuildLog;
use model::log::Kept;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::images;
use crate::App;
use crate::answer::{Query, Refusal, data};
use crate::caller::Caller;
use crate::sse::{Ear, Heard};

/// Blocks read at once.
const BLOCKS: i64 = 200;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/v1/images/{id}/build-log", get(log))
}

#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default)]
    from: i64,
    #[serde(default)]
    follow: bool,
}

async fn log(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let image = images::find(&app, &who, &id).await?.id;
    let resumed = headers.get("last-event-id").and_then(|v| v.to_str().ok()?.parse::<i64>().ok());
    let from = resumed.map_or(wanted.from, |last| last.saturating_add(1)).max(0);
    if wanted.follow {
        let stream = follow(app, image, from);
        return Ok(Sse::new(stream)
            .keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
            .into_response());
    }
    let mut text = String::new();
    let mut next = from;
    loop {
        let lines = read(&app, &image, next).await?;
        let Some(last) = lines.last() else { break };
        next = last.offset + 1;
        for line in &lines {
            text.push_str(&line.line.line);
            text.push('\n');
        }
    }
    let outcome = app.cx.db.log_state(&image).await?.and_then(|s| s.closed);
    Ok(data(BuildLog { log: text, next, closed: outcome.is_some(), outcome }).into_response())
}

/// Kept lines from an offset on; none when there are none yet.
async fn read(app: &App, image: &ImageId, from: i64) -> Result<Vec<Kept>, Refusal> {
    let mut lines = Vec::new();
    for block in app.cx.db.log_blocks(image, from, BLOCKS).await? {
        let kept = logblock::decode(&block.body, block.first, block.lines)
            .map_err(|e| Refusal::internal(&e.into()))?;
        lines.extend(kept.into_iter().filter(|line| line.offset >= from));
    }
    Ok(lines)
}

fn follow(app: App, image: ImageId, from: i64) -> impl Stream<Item = Result<Event, Infallible>> {
    let (send, events) = mpsc::channel(256);
    tokio::spawn(async move {
        let shutdown = app.cx.shutdown.clone();
        // A failure ends the stream; the reader comes back with the offset it has.
        let _ = shutdown.run_until_cancelled(pump(&app, &image, from, &send)).await;
    });
    ReceiverStream::new(events)
}

type Sender = mpsc::Sender<Result<Event, Infallible>>;

async fn pump(app: &App, image: &ImageId, mut next: i64, send: &Sender) -> Option<()> {
    // Listen first, read afterwards: nothing falls between.
    let mut kept = Ear::on(&app.cx.bus, &format!("kept.image.{image}")).await;
    let mut progress = Ear::on(&app.cx.bus, &format!("progress.image.{image}")).await;
    loop {
        // The state is read before the lines: when it says closed, the lines that follow are all there is.
        let state = app.cx.db.log_state(image).await.ok()??;
        loop {
            let lines = read(app, image, next).await.ok()?;
            let Some(last) = lines.last() else { break };
            next = last.offset + 1;
            for line in lines {
                let event =
                    Event::default().event("line").id(line.offset.to_string()).json_data(&line).ok()?;
                send.send(Ok(event)).await.ok()?;
            }
        }
        if let Some(outcome) = state.closed {
            let event = Event::default().event("end").json_data(json!({ "outcome": outcome })).ok()?;
            return send.send(Ok(event)).await.ok();
        }
        loop {
            tokio::select! {
                _ = kept.wait() => break,
                heard = progress.wait() => if let Heard::Message(bytes) = heard {
                    let event = Event::default().event("progress").data(String::from_utf8_lossy(&bytes));
                    send.send(Ok(event)).await.ok()?;
                },
                () = send.closed() => return None,
            }
        }
    }
}
