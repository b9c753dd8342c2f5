//! Manifests: by tag or digest, exactly the bytes that were stored.

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use model::access::Principal;

use super::error::V2Error;
use super::{Answer, App};

pub(super) async fn answer(
    app: &App,
    who: &Principal,
    source: &str,
    reference: &str,
    head: bool,
    asked: &HeaderMap,
) -> Answer {
    let manifest = app
        .db
        .manifest(&who.hub, source, reference)
        .await?
        .ok_or_else(|| V2Error::manifest_unknown(reference))?;
    if !head {
        // A pull begins with this request: the image is in use.
        app.db.pulled(&manifest.image).await?;
    }
    let etag = format!("\"{}\"", manifest.digest);
    if asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let response = Response::builder()
        .header(header::CONTENT_TYPE, manifest.media_type)
        .header(header::CONTENT_LENGTH, manifest.body.len())
        .header(header::ETAG, etag)
        .header("docker-content-digest", manifest.digest)
        .header("docker-distribution-api-version", "registry/2.0");
    let body = if head { Body::empty() } else { Body::from(manifest.body) };
    Ok(response.body(body).unwrap_or_default())
}
