//! `/v1/images/{id}/upload`: an archive, streamed into the store's staging area.
//!
//! The ticket's token lets in, since a browser form or a build machine need not hold an API key. A body is the rest
//! of the file from `offset` on; what a broken connection left is kept, and `GET` tells how far it is.

use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use chassis::key;
use db::Tx;
use futures::{Stream, StreamExt, TryStreamExt};
use model::api::{Job, UploadTicket};
use model::{ImageId, Secret};
use serde::{Deserialize, Serialize};
use store::staging::Upload;

use crate::App;
use crate::answer::{Answer, Query, Refusal, data};

/// How long a ticket is good.
const GOOD_FOR: Duration = Duration::from_secs(24 * 3600);

/// An archive may have this many bytes.
const MOST: u64 = 20 * 1024 * 1024 * 1024;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/v1/images/{id}/upload", post(upload).get(progress))
}

#[derive(Debug, Deserialize)]
struct Ticket {
    token: String,
    #[serde(default)]
    offset: u64,
}

#[derive(Debug, Serialize)]
struct Staged {
    offset: u64,
}

/// Gives a shell a ticket.
pub(crate) async fn grant(tx: &mut Tx, image: &ImageId, import: bool) -> Result<UploadTicket, Refusal> {
    let token = hex::encode(key::random::<24>()?);
    let expires = tx.grant_upload(image, &key::hash(&token), GOOD_FOR, import).await?;
    Ok(UploadTicket { token: Secret::new(token), expires })
}

async fn allowed(app: &App, id: &str, ticket: &Ticket) -> Result<ImageId, Refusal> {
    let refused = || Refusal::not_found("image", "image waiting for this upload:", id);
    let image: ImageId = id.parse().map_err(|_| refused())?;
    if !app.cx.db.upload_allowed(&image, &key::hash(&ticket.token)).await? {
        return Err(refused());
    }
    Ok(image)
}

async fn progress(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(ticket): Query<Ticket>,
) -> Answer<Staged> {
    let image = allowed(&app, &id, &ticket).await?;
    let offset = app.store.staged(image.as_str()).await.map_err(store_refusal)?;
    Ok(data(Staged { offset }))
}

async fn upload(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(ticket): Query<Ticket>,
    request: Request,
) -> Result<Response, Refusal> {
    let image = allowed(&app, &id, &ticket).await?;
    let mut staged =
        app.store.stage(image.as_str(), ticket.offset, MOST).await.map_err(store_refusal)?;
    let form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
    if form {
        let mut form = Multipart::from_request(request, &app)
            .await
            .map_err(|e| Refusal::invalid("body", e.body_text()))?;
        let field = form.next_field().await.map_err(|e| Refusal::invalid("body", e.body_text()))?;
        let field = field.ok_or_else(|| Refusal::invalid("body", "The form holds no file."))?;
        receive(&mut staged, field.map_err(|e| std::io::Error::other(e.body_text()))).await?;
    } else {
        let body = request.into_body().into_data_stream().map_err(std::io::Error::other);
        receive(&mut staged, body).await?;
    }
    let (digest, size) = staged.finish().await.map_err(store_refusal)?;
    let mut tx = app.cx.db.begin().await?;
    let hub = tx.image_hub(&image).await?;
    if tx.uploaded(&image, &digest, size).await? {
        tx.request_import(&hub, &image, "api").await?;
    }
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, data(Job { id: image, action: "upload".to_owned() })).into_response())
}

async fn receive(
    staged: &mut Upload,
    body: impl Stream<Item = std::io::Result<Bytes>> + Send,
) -> Result<(), Refusal> {
    let mut body = std::pin::pin!(body);
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|_| {
            Refusal::invalid("body", "The upload broke off; what arrived is kept, send the rest with `offset`.")
        })?;
        staged.append(&bytes).await.map_err(store_refusal)?;
    }
    Ok(())
}

fn store_refusal(error: store::StoreError) -> Refusal {
    match error.code() {
        "store.full" => Refusal::not_ready("The factory's disk is full."),
        "upload.too_large" => Refusal::too_large(error.to_string()),
        "upload.offset" => Refusal::conflict(error.to_string()),
        _ => Refusal::internal(&error.into()),
    }
}
