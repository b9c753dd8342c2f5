//! `/v1/images/sources`: where images come from. Secrets go in, and never out.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chassis::registry;
use chassis::seal::Place;
use db::source::{NewSource, Sealed};
use model::SourceId;
use model::access::Principal;
use model::api::{CreateSource, List, Source, UpdateSource};
use model::source::{FlatOptions, Origin};

use super::named::{check_name, identifier};
use super::page::Page;
use crate::App;
use crate::answer::{Answer, Body, Query, Refusal, data};
use crate::caller::Caller;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/images/sources", get(list).post(create))
        .route("/v1/images/sources/{id}", get(one).patch(update).delete(remove))
}

async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(page): Query<Page>,
) -> Result<Json<List<Source>>, Refusal> {
    let (limit, offset) = page.bounds()?;
    let (rows, total) = app.cx.db.sources(&who.hub, limit, offset).await?;
    Ok(Json(List { data: rows.into_iter().map(|row| row.source).collect(), total }))
}

async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Body(body): Body<CreateSource>,
) -> Result<Response, Refusal> {
    if body.kind.as_deref().is_some_and(|kind| kind != "direct") {
        return Err(Refusal::invalid("type", "The only type of image source is `direct`."));
    }
    check_name(&body.name)?;
    let identifier = identifier(body.identifier, &body.name)?;
    let mut origin = body.origin;
    check_origin(&app, &origin)?;
    check_flat(&body.flat, "flat")?;
    super::builds::check_builder(&app, &who, &origin, body.builder.as_ref()).await?;
    let id = SourceId::new();
    let sealed = seal(&app, &who, &id, &mut origin)?;
    let new = NewSource {
        id: &id,
        hub: &who.hub,
        identifier: &identifier,
        name: &body.name,
        origin: &origin,
        sealed: &sealed,
        flat: &body.flat,
        builder: body.builder.as_ref(),
    };
    app.cx.db.create_source(new).await?;
    Ok((StatusCode::CREATED, data(find(&app, &who, id.as_str()).await?)).into_response())
}

async fn one(State(app): State<App>, Caller(who): Caller, Path(id): Path<String>) -> Answer<Source> {
    Ok(data(find(&app, &who, &id).await?))
}

async fn update(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Body(body): Body<UpdateSource>,
) -> Answer<Source> {
    let row = app
        .cx
        .db
        .source(&who.hub, &id)
        .await?
        .ok_or_else(|| Refusal::not_found("source", "image source", &id))?;
    let (mut origin, mut sealed) = (row.source.origin, row.sealed);
    if let Some(new) = body.origin {
        check_origin(&app, &new)?;
        origin = new;
        sealed = seal(&app, &who, &row.source.id, &mut origin)?;
    }
    let builder = body.builder.or(row.source.builder);
    let flat = body.flat.unwrap_or(row.source.flat);
    check_flat(&flat, "flat")?;
    super::builds::check_builder(&app, &who, &origin, builder.as_ref()).await?;
    let name = body.name.unwrap_or(row.source.name);
    check_name(&name)?;
    let new = NewSource {
        id: &row.source.id,
        hub: &who.hub,
        identifier: &row.source.identifier,
        name: &name,
        origin: &origin,
        sealed: &sealed,
        flat: &flat,
        builder: builder.as_ref(),
    };
    app.cx.db.update_source(new).await?;
    Ok(data(find(&app, &who, &id).await?))
}

async fn remove(State(app): State<App>, Caller(who): Caller, Path(id): Path<String>) -> Answer<Source> {
    let source = find(&app, &who, &id).await?;
    app.cx.db.delete_source(&who.hub, &source.id).await?;
    Ok(data(source))
}

async fn find(app: &App, who: &Principal, id: &str) -> Result<Source, Refusal> {
    let row = app.cx.db.source(&who.hub, id).await?;
    Ok(row.ok_or_else(|| Refusal::not_found("source", "image source", id))?.source)
}

fn seal(app: &App, who: &Principal, id: &SourceId, origin: &mut Origin) -> Result<Sealed, Refusal> {
    let mut sealed = Sealed::new();
    for (field, secret) in origin.take_secrets() {
        let place = Place { hub: who.hub.as_str(), owner: id.as_str(), field: &field };
        let kept = app.cx.sealer.seal(place, &secret)?;
        sealed.insert(field, kept);
    }
    Ok(sealed)
}

fn check_origin(app: &App, origin: &Origin) -> Result<(), Refusal> {
    if let Origin::DockerFile(wanted) = origin {
        return super::builds::check_source(app, wanted);
    }
    if let Some(url) = origin.url() {
        let parsed: Option<Uri> = url.parse().ok();
        let scheme = parsed.as_ref().and_then(|u| u.scheme_str());
        let host = parsed.as_ref().and_then(|u| u.host()).filter(|h| !h.is_empty());
        if !matches!(scheme, Some("http" | "https")) || host.is_none() {
            let rule = "A registry's url carries its scheme: `https://registry.example`.";
            return Err(Refusal::invalid("origin.details.url", rule));
        }
        if url.contains('@') {
            let rule = "A registry's url carries no credentials: put them into their own fields.";
            return Err(Refusal::invalid("origin.details.url", rule));
        }
    }
    match origin.target() {
        Some(target) => check_target(origin, target, "origin.details.target"),
        None => Ok(()),
    }
}

/// Can this target stand in a source of this origin?
pub(crate) fn check_target(origin: &Origin, target: &str, field: &str) -> Result<(), Refusal> {
    if origin.target().is_none() {
        let detail = format!("A source of origin `{}` has no target.", origin.kind());
        return Err(Refusal::invalid(field, detail));
    }
    registry::target(origin, target).map(drop).map_err(|e| Refusal::invalid(field, e.to_string()))
}

/// Are these options ones the factory knows?
pub(crate) fn check_flat(flat: &FlatOptions, field: &str) -> Result<(), Refusal> {
    if let Some(platform) = &flat.platform {
        registry::platforms(Some(platform))
            .map_err(|e| Refusal::invalid(&format!("{field}.platform"), e.to_string()))?;
    }
    Ok(())
}
