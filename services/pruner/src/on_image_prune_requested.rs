//! `image.prune.requested`: somebody on the bus asks to let unused images go.

use std::time::Duration;

use bus::Message;
use chassis::{Context, stage};
use db::prune::Choice;
use model::event::{Envelope, Event, ImagePruneRequested};
use tracing::{info, warn};

pub(crate) async fn run(cx: Context) {
    let mut pull = cx.bus.pull(bus::IMAGES, "pruner-image-prune-requested", ImagePruneRequested::SUBJECT);
    while !cx.shutdown.is_cancelled() {
        let message = tokio::select! {
            message = pull.next(stage::SWEEP) => message,
            () = cx.shutdown.cancelled() => None,
        };
        if let Some(message) = message {
            answer(&cx, &message).await;
        }
    }
}

async fn answer(cx: &Context, message: &Message) {
    match on_message(cx, message).await {
        Ok(Ok(())) => message.ack().await,
        Ok(Err(reason)) => chassis::deadletter::bury(cx, message, &reason).await,
        Err(error) => {
            warn!(error = %chassis::halt::chain(&error), "a prune waits for the database");
            message.later(Duration::from_secs(2)).await;
        }
    }
}

/// The outer error passes; the inner one is the request's own fault.
async fn on_message(cx: &Context, message: &Message) -> db::Result<Result<(), String>> {
    let (envelope, wanted) = match Envelope::read::<ImagePruneRequested>(message.body()) {
        Ok(read) => read,
        Err(reason) => return Ok(Err(reason)),
    };
    let named = envelope.as_ref().and_then(|e| e.hub.clone()).or(wanted.hub);
    let Some(hub) = named else { return Ok(Err("the request names no hub".to_owned())) };
    let Some(hub) = cx.db.hub(&hub).await? else { return Ok(Err(format!("there is no hub `{hub}`"))) };
    let key = format!("prune:{}", envelope.map_or_else(|| message.key(), |e| e.id));
    let mut tx = cx.db.begin().await?;
    if !tx.take(&key, None).await? {
        return Ok(Ok(()));
    }
    let mut choice = Choice { sources: wanted.source_ids, ..Choice::default() };
    choice.keep_last = wanted.keep_last.unwrap_or(choice.keep_last);
    choice.min_age = wanted.min_age_seconds.map_or(choice.min_age, Duration::from_secs);
    let report = tx.prune(&hub.id, &choice, "pruner").await?;
    tx.commit().await?;
    info!(hub.id = %hub.id, images = report.images.len(), bytes = report.bytes_freed, "pruned on request");
    Ok(Ok(()))
}
