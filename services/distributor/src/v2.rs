//! `/v2/`: the OCI Distribution API, read-only (OCI distribution specification 1.1, pull category).
//!
//! Names are `<hub>/<source>`. Any user name with an API key as the password comes in. What a caller may not see is
//! answered like what is not there.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::any;
use db::Db;
use model::access::Principal;
use serde_json::json;
use store::Store;

mod blob;
mod error;
mod first;
mod manifest;
mod name;
mod range;
mod turn;

use error::V2Error;
pub(crate) use manifest::Manifests;
use name::Wanted;

/// What every route is given.
#[derive(Clone)]
pub(crate) struct App {
    pub db: Db,
    pub store: Store,
    pub manifests: Arc<Manifests>,
}

pub(crate) type Answer = Result<Response<Body>, V2Error>;

pub(crate) fn routes(app: App) -> Router {
    Router::new()
        .route("/v2", any(base))
        .route("/v2/", any(base))
        .route("/v2/{*rest}", any(wanted))
        .with_state(app)
}

async fn base(State(app): State<App>, headers: HeaderMap) -> Answer {
    caller(&app, &headers).await?;
    Ok(([("docker-distribution-api-version", "registry/2.0")], axum::Json(json!({}))).into_response())
}

async fn wanted(
    State(app): State<App>,
    method: Method,
    Path(rest): Path<String>,
    headers: HeaderMap,
) -> Answer {
    // Whoever shows no key learns nothing, not even which paths there are.
    let who = caller(&app, &headers).await?;
    let (name, wanted) = name::parse(&rest).ok_or_else(|| V2Error::name_unknown(&rest))?;
    if method != Method::GET && method != Method::HEAD {
        return Err(V2Error::unsupported());
    }
    let head = method == Method::HEAD;
    let source = name
        .strip_prefix(who.hub_identifier.as_str())
        .or_else(|| name.strip_prefix(who.hub.as_str()))
        .and_then(|rest| rest.strip_prefix('/'))
        .filter(|source| !source.contains('/'))
        .ok_or_else(|| V2Error::name_unknown(name))?;
    match wanted {
        Wanted::Manifest(reference) => manifest::answer(&app, &who, source, reference, head, &headers).await,
        Wanted::Blob(digest) => blob::answer(&app, &who, source, digest, head, &headers).await,
        Wanted::Tags => tags(&app, &who, name, source).await,
        // No artifact refers to a flat image; the specification asks for an empty index, not for 404.
        Wanted::Referrers => Ok(json_of(
            "application/vnd.oci.image.index.v1+json",
            &json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [] }),
        )),
    }
}

async fn tags(app: &App, who: &Principal, name: &str, source: &str) -> Answer {
    let tags = app.db.tags(&who.hub, source).await?.ok_or_else(|| V2Error::name_unknown(name))?;
    Ok(json_of("application/json", &json!({ "name": name, "tags": tags })))
}

fn json_of(kind: &'static str, body: &serde_json::Value) -> Response<Body> {
    (StatusCode::OK, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

async fn caller(app: &App, headers: &HeaderMap) -> Result<Principal, V2Error> {
    Ok(chassis::access::authenticate(&app.db, headers).await?)
}
