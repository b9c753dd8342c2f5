//! `/v1/images/{id}/upload`: an archive, streamed into the store's staging area.
//!
//! The ticket's token lets in, since a browser form or a build machine need not hold an API key. A body is the rest
//! of the file from `offset` on; what a broken connection left is kept, and `GET` tells how far it is.

use std::io::Read;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chassis::key;
use db::Tx;
use model::api::{Job, UploadTicket};
use model::{ImageId, Secret};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Error, UploadId};

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
    let offset = match app.store.upload_offset(UploadId::of(image.to_bytes())).await {
        Ok(offset) => offset,
        Err(Error::UploadUnknown(_)) => 0,
        Err(error) => return Err(store_refusal(error)),
    };
    Ok(data(Staged { offset }))
}

async fn upload(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(ticket): Query<Ticket>,
    request: Request,
) -> Result<Response, Refusal> {
    let image = allowed(&app, &id, &ticket).await?;
    let staged = UploadId::of(image.to_bytes());
    if ticket.offset == 0 {
        // From the beginning again: what was there is given up.
        app.store.delete_upload(staged).await.map_err(store_refusal)?;
        app.store.begin_upload(staged).await.map_err(store_refusal)?;
    }
    let form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
    let received = if form {
        let mut form = Multipart::from_request(request, &app)
            .await
            .map_err(|e| Refusal::invalid("body", e.body_text()))?;
        let field = form.next_field().await.map_err(|e| Refusal::invalid("body", e.body_text()))?;
        let field = field.ok_or_else(|| Refusal::invalid("body", "The form holds no file."))?;
        app.store.append_upload(staged, ticket.offset, MOST, field).await
    } else {
        app.store.append_upload(staged, ticket.offset, MOST, request.into_body().into_data_stream()).await
    };
    received.map_err(store_refusal)?;
    let size = app.store.finish_upload(staged).await.map_err(store_refusal)?;
    let path = app.store.upload_path(staged).await.map_err(store_refusal)?;
    let hashed = tokio::task::spawn_blocking(move || digest(&path)).await.map_err(anyhow::Error::from)?;
    let digest = hashed.map_err(anyhow::Error::from)?;
    let mut tx = app.cx.db.begin().await?;
    let hub = tx.image_hub(&image).await?;
    if tx.uploaded(&image, &digest, size).await? {
        tx.request_import(&hub, &image, "api").await?;
    }
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, data(Job { id: image, action: "upload".to_owned() })).into_response())
}

/// `sha256:<hex>` of a file. Read back from the disk: an upload may have come in pieces.
fn digest(path: &std::path::Path) -> std::io::Result<String> {
    let (mut file, mut hash) = (std::fs::File::open(path)?, Sha256::new());
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut piece)?;
        let Some(fresh) = piece.get(..read).filter(|fresh| !fresh.is_empty()) else {
            return Ok(format!("sha256:{}", hex::encode(hash.finalize())));
        };
        hash.update(fresh);
    }
}

fn store_refusal(error: Error) -> Refusal {
    match error {
        Error::Full(_) => Refusal::not_ready("The factory's disk is full."),
        Error::UploadTooLarge { .. } => Refusal::too_large(error.to_string()),
        Error::UploadOffset { .. } | Error::UploadBusy(_) | Error::UploadUnknown(_) => {
            Refusal::conflict(error.to_string())
        }
        Error::Content(_) => Refusal::invalid(
            "body",
            "The upload broke off; what arrived is kept, send the rest with `offset`.",
        ),
        _ => Refusal::internal(&error.into()),
    }
}
