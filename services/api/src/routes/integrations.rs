//! `/v1/hubs/current/integrations`: image builders that a hub brings.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use build::Builder;
use build::buildah::Buildah;
use build::builder::{Allowed, check_endpoint};
use chassis::seal::Place;
use db::source::Sealed;
use model::IntegrationId;
use model::access::Principal;
use model::api::{CreateIntegration, ImageBuilder, Integration, IntegrationTask, List, Verified};

use super::named::{check_name, identifier};
use crate::App;
use crate::answer::{Answer, Body, Refusal, data};
use crate::caller::Caller;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/hubs/current/integrations", get(list).post(create))
        .route("/v1/hubs/current/integrations/{id}", get(one).delete(remove))
        .route("/v1/hubs/current/integrations/{id}/tasks", post(task))
}

fn allowed(app: &App) -> Allowed<'_> {
    Allowed { policy: app.cx.registry.policy(), endpoints: &app.cx.config.build.allow_builder }
}

async fn list(State(app): State<App>, Caller(who): Caller) -> Result<Json<List<Integration>>, Refusal> {
    let all = app.cx.db.integrations(&who.hub).await?;
    let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
    Ok(Json(List { data: all, total }))
}

async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Body(body): Body<CreateIntegration>,
) -> Result<Response, Refusal> {
    check_name(&body.name)?;
    let identifier = identifier(body.identifier, &body.name)?;
    let mut builder = body.builder;
    check(&app, &builder)?;
    let id = IntegrationId::new();
    let mut sealed = Sealed::new();
    if let Some((field, secret)) = builder.take_secret() {
        let place = Place { hub: who.hub.as_str(), owner: id.as_str(), field };
        sealed.insert(field.to_owned(), app.cx.sealer.seal(place, &secret)?);
    }
    app.cx.db.create_integration(&who.hub, &id, (&identifier, &body.name), &builder, &sealed).await?;
    Ok((StatusCode::CREATED, data(find(&app, &who, id.as_str()).await?.0)).into_response())
}

fn check(app: &App, builder: &ImageBuilder) -> Result<(), Refusal> {
    match builder {
        ImageBuilder::Buildah(_) => Ok(()),
        ImageBuilder::BuildKit(kit) => check_endpoint(&kit.endpoint, allowed(app))
            .map_err(|e| Refusal::invalid("builder.details.endpoint", e.to_string())),
        ImageBuilder::Depot(depot) => {
            let project = &depot.project;
            let named = !project.is_empty()
                && project.len() <= 100
                && project.starts_with(|c: char| c.is_ascii_alphanumeric())
                && project.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            match (named, &depot.token) {
                (true, Some(_)) => Ok(()),
                (true, None) => {
                    Err(Refusal::invalid("builder.details.token", "Depot wants a token of the project."))
                }
                (false, _) => Err(Refusal::invalid(
                    "builder.details.project",
                    "A project's id has letters, digits, `-` and `_`.",
                )),
            }
        }
    }
}

async fn one(State(app): State<App>, Caller(who): Caller, Path(id): Path<String>) -> Answer<Integration> {
    Ok(data(find(&app, &who, &id).await?.0))
}

async fn remove(State(app): State<App>, Caller(who): Caller, Path(id): Path<String>) -> Answer<Integration> {
    let (integration, _) = find(&app, &who, &id).await?;
    app.cx.db.delete_integration(&who.hub, &integration.id).await?;
    Ok(data(integration))
}

async fn task(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Body(task): Body<IntegrationTask>,
) -> Answer<Verified> {
    let IntegrationTask::Verify = task;
    let (integration, sealed) = find(&app, &who, &id).await?;
    let builder = app.cx.sealer.open_builder(&who.hub, &integration, &sealed)?;
    let own = Buildah { client: app.cx.registry.clone(), allowed: Vec::new(), mirrors: Vec::new(), cache: 0 };
    let not = |e: build::BuildError| Refusal::unprocessable(e.code(), e.to_string());
    let builder = Builder::of(&builder, own, allowed(&app)).await.map_err(not)?;
    let scratch = tempfile::tempdir().map_err(anyhow::Error::from)?;
    let version = builder.verify(scratch.path()).await.map_err(not)?;
    Ok(data(Verified { version }))
}

/// An integration of the caller's hub with its sealed secrets, or 404.
pub(super) async fn find(app: &App, who: &Principal, id: &str) -> Result<(Integration, Sealed), Refusal> {
    let found = app.cx.db.integration(&who.hub, id).await?;
    found.ok_or_else(|| Refusal::not_found("integration", "integration", id))
}
