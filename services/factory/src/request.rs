//! A request from outside: "import into this shell", or "make a shell for this source and import".
//!
//! It is validated; a bad one becomes a dead letter with its reason. The same request twice (by its CloudEvents id,
//! its `Nats-Msg-Id`, or its place in the stream) is one import.

use std::time::Duration;

use bus::Message;
use chassis::{Context, deadletter, registry};
use db::DbError;
use db::hub::Hub;
use db::image::NewImage;
use model::ImageId;
use model::event::{Envelope, ImageImportRequested};
use model::source::Origin;
use serde_json::json;
use tracing::{info, warn};

/// Hears a message: takes it if it is a request, and answers it.
pub(crate) async fn hear(cx: &Context, message: &Message) {
    match take(cx, message).await {
        Ok(Ok(())) => message.ack().await,
        Ok(Err(reason)) => deadletter::bury(cx, message, &reason).await,
        Err(error) => {
            warn!(error = %chassis::halt::chain(&error), "a request waits for the database");
            message.later(Duration::from_secs(2)).await;
        }
    }
}

/// The outer error passes; the inner one is the request's own fault.
async fn take(cx: &Context, message: &Message) -> db::Result<Result<(), String>> {
    let (envelope, wanted) = match Envelope::read::<ImageImportRequested>(message.body()) {
        Ok(read) => read,
        Err(reason) => return Ok(Err(reason)),
    };
    if let Some(envelope) = &envelope
        && cx.db.is_own_event(&envelope.id).await?
    {
        return Ok(Ok(()));
    }
    let named = envelope.as_ref().and_then(|e| e.hub.clone()).or_else(|| wanted.hub.clone());
    let Some(named) = named else { return Ok(Err("the request names no hub".to_owned())) };
    let Some(hub) = cx.db.hub(&named).await? else { return Ok(Err(format!("there is no hub `{named}`"))) };
    let key = format!("import:{}:{}", hub.id, envelope.map_or_else(|| message.key(), |e| e.id));
    match (&wanted.image, &wanted.source) {
        (Some(image), None) => into_shell(cx, &hub, &key, image).await,
        (None, Some(source)) => new_shell(cx, &hub, &key, source, &wanted).await,
        _ => Ok(Err("the request names neither an image nor a source, or both".to_owned())),
    }
}

async fn into_shell(cx: &Context, hub: &Hub, key: &str, image: &ImageId) -> db::Result<Result<(), String>> {
    if cx.db.image(&hub.id, image.as_str()).await?.is_none() {
        return Ok(Err(format!("there is no image `{image}` in this hub")));
    }
    let mut tx = cx.db.begin().await?;
    if !tx.take(key, Some(image.as_str())).await? {
        return Ok(Ok(()));
    }
    match tx.request_import(&hub.id, image, "factory").await {
        Ok(()) => {}
        Err(DbError::Conflict(reason)) => return Ok(Err(reason)),
        Err(error) => return Err(error),
    }
    tx.commit().await?;
    Ok(Ok(()))
}

/// Does the request name an archive to build instead of an upload?
fn builds_elsewhere(wanted: &ImageImportRequested) -> bool {
    wanted.overrides.as_ref().is_some_and(|o| o.targz_url.is_some())
}

async fn new_shell(
    cx: &Context,
    hub: &Hub,
    key: &str,
    source: &str,
    wanted: &ImageImportRequested,
) -> db::Result<Result<(), String>> {
    let Some(row) = cx.db.source(&hub.id, source).await? else {
        return Ok(Err(format!("there is no image source `{source}` in this hub")));
    };
    let origin = &row.source.origin;
    if matches!(origin, Origin::None(_)) || (origin.is_uploaded() && !builds_elsewhere(wanted)) {
        return Ok(Err(format!(
            "a source of origin `{}` cannot be imported from by an event",
            origin.kind()
        )));
    }
    if let Some(target) = wanted.overrides.as_ref().and_then(|o| o.target.as_deref())
        && let Err(error) = registry::target(origin, target)
    {
        return Ok(Err(error.to_string()));
    }
    let id = ImageId::new();
    let mut tx = cx.db.begin().await?;
    let new = NewImage {
        id: &id,
        hub: &hub.id,
        source: &row.source.id,
        name: wanted.name.as_deref().unwrap_or(&row.source.name),
        overrides: wanted.overrides.as_ref(),
        build: None,
        creator: &json!({ "type": "event" }),
        import: true,
    };
    tx.create_image(new, "factory").await?;
    if !tx.take(key, Some(id.as_str())).await? {
        return Ok(Ok(()));
    }
    tx.commit().await?;
    info!(image.id = %id, source.identifier = row.source.identifier, "an event asked for an import");
    Ok(Ok(()))
}
