//! `/v1/images`: list, create, one, rename, delete.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use db::image::{Filter, NewImage};
use model::ImageId;
use model::api::{CreateImage, Image, Job, List, UpdateImage};
use model::source::Origin;
use serde::Deserialize;
use serde_json::json;

use super::named::check_name;
use super::page::Page;
use super::{builds, uploads};
use crate::App;
use crate::answer::{Answer, Body, Query, Refusal, data};
use crate::caller::Caller;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/images", get(list).post(create))
        .route("/v1/images/{id}", get(one).patch(rename).delete(remove))
}

/// What `GET /v1/images` may be asked.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(rename = "filter[state]")]
    state: Option<String>,
    #[serde(rename = "filter[source]")]
    source: Option<String>,
    #[serde(rename = "filter[name]")]
    name: Option<String>,
    #[serde(flatten)]
    page: Page,
}

async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<List<Image>>, Refusal> {
    let (limit, offset) = wanted.page.bounds()?;
    let state = match &wanted.state {
        Some(text) => Some(text.parse().map_err(|e| Refusal::invalid("filter[state]", format!("{e}.")))?),
        None => None,
    };
    let source = match &wanted.source {
        Some(name) => match app.cx.db.source(&who.hub, name).await? {
            Some(row) => Some(row.source.id.to_string()),
            None => return Ok(Json(List { data: Vec::new(), total: 0 })),
        },
        None => None,
    };
    let filter = Filter { state, source, name: wanted.name, deleted: false };
    let (images, total) = app.cx.db.images(&who.hub, &filter, limit, offset).await?;
    Ok(Json(List { data: images, total }))
}

async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    headers: HeaderMap,
    Body(body): Body<CreateImage>,
) -> Result<Response, Refusal> {
    let db = &app.cx.db;
    let row = db
        .source(&who.hub, &body.source_id)
        .await?
        .ok_or_else(|| Refusal::not_found("source", "image source", &body.source_id))?;
    let origin = &row.source.origin;
    if body.import && matches!(origin, Origin::None(_)) {
        return Err(Refusal::invalid_input("A source of origin `none` has nothing to import."));
    }
    if let Some(target) = body.overrides.as_ref().and_then(|o| o.target.as_deref()) {
        super::sources::check_target(origin, target, "override.target")?;
    }
    if let Some(url) = body.overrides.as_ref().and_then(|o| o.targz_url.as_deref()) {
        builds::check_targz(origin, url)?;
    }
    if body.build.is_some() || body.builder.is_some() {
        builds::check_build(origin, body.build.as_ref())?;
    }
    builds::check_builder(&app, &who, origin, body.builder.as_ref()).await?;
    if let Some(flat) = body.overrides.as_ref().and_then(|o| o.flat.as_ref()) {
        super::sources::check_flat(flat, "override.flat")?;
    }
    let name = body.name.as_deref().unwrap_or(&row.source.name);
    check_name(name)?;
    let id = ImageId::new();
    let elsewhere = body.overrides.as_ref().is_some_and(|o| o.targz_url.is_some());
    let upload = origin.is_uploaded() && !elsewhere;
    let build = builds::options(&app, &who, &id, origin, body.build, body.builder)?;
    let creator = json!({ "type": "api-key", "id": who.key });
    let mut tx = db.begin().await?;
    let new = NewImage {
        id: &id,
        hub: &who.hub,
        source: &row.source.id,
        name,
        overrides: body.overrides.as_ref(),
        build: build.as_ref().map(|(options, secrets)| (options, secrets)),
        creator: &creator,
        import: body.import && !upload,
    };
    tx.create_image(new, "api").await?;
    if let Some(key) = idempotency(&headers, &who)?
        && !tx.take(&key, Some(id.as_str())).await?
    {
        drop(tx);
        return taken_before(&app, &who, &key).await;
    }
    let ticket = if upload { Some(uploads::grant(&mut tx, &id, body.import).await?) } else { None };
    tx.commit().await?;
    let mut image = find(&app, &who, id.as_str()).await?;
    image.upload = ticket;
    Ok((StatusCode::CREATED, data(image)).into_response())
}

async fn taken_before(app: &App, who: &model::access::Principal, key: &str) -> Result<Response, Refusal> {
    let id = app
        .cx
        .db
        .taken(key)
        .await?
        .ok_or_else(|| Refusal::conflict("The first request is still under way."))?;
    Ok((StatusCode::OK, data(find(app, who, id.as_str()).await?)).into_response())
}

async fn one(State(app): State<App>, Caller(who): Caller, Path(id): Path<String>) -> Answer<Image> {
    let mut image = find(&app, &who, &id).await?;
    if image.build.is_some() && image.state.importing {
        image.state.queue = app.cx.db.build_queue(&who.hub, &image.id).await?;
    }
    Ok(data(image))
}

async fn rename(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Body(body): Body<UpdateImage>,
) -> Answer<Image> {
    check_name(&body.name)?;
    let image = find(&app, &who, &id).await?;
    if !app.cx.db.rename_image(&who.hub, &image.id, &body.name).await? {
        return Err(Refusal::conflict("A deleted image keeps its name."));
    }
    Ok(data(find(&app, &who, &id).await?))
}

async fn remove(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let image = find(&app, &who, &id).await?;
    if !app.cx.db.delete_image(&who.hub, &image.id, "api").await? {
        return Err(Refusal::conflict("Only a new or live image can be deleted; cancel its import first."));
    }
    Ok((StatusCode::ACCEPTED, data(Job { id: image.id, action: "delete".to_owned() })).into_response())
}

/// An image of the caller's hub, or 404.
pub(crate) async fn find(app: &App, who: &model::access::Principal, id: &str) -> Result<Image, Refusal> {
    app.cx.db.image(&who.hub, id).await?.ok_or_else(|| Refusal::not_found("image", "image", id))
}

fn idempotency(headers: &HeaderMap, who: &model::access::Principal) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=200).contains(&key.len()) => Ok(Some(format!("api:{}:{key}", who.hub))),
        _ => Err(Refusal::invalid("Idempotency-Key", "An idempotency key has 1 to 200 visible characters.")),
    }
}
