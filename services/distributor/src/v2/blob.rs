//! Blobs: configs from their documents, layers from their recipes, whole or in ranges.

use std::ops::Range;

use axum::body::Body;
use axum::http::response::Builder;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use db::store::served::ServedBlob;
use futures::{Stream, StreamExt, stream};
use model::access::Principal;
use store::{Run, Store};

use super::error::V2Error;
use super::range::{self, Asked};
use super::{Answer, App, first};

/// Where a blob's bytes are.
enum Source {
    Here(Bytes),
    Stored(Store, Vec<Run>),
}

pub(super) async fn answer(
    app: &App,
    who: &Principal,
    source: &str,
    digest: &str,
    head: bool,
    asked: &HeaderMap,
) -> Answer {
    let blob = app.db.blob(&who.hub, source, digest).await?.ok_or_else(|| V2Error::blob_unknown(digest))?;
    let etag = format!("\"{digest}\"");
    if asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    // A range of another version of the blob is no use; a blob has only one.
    let ranged = asked.get(header::IF_RANGE).is_none_or(|known| known.as_bytes() == etag.as_bytes());
    let wish = asked.get(header::RANGE).filter(|_| ranged && !head).and_then(|v| v.to_str().ok());
    let wish = wish.map_or(Asked::Whole, |text| range::parse(text, blob.size));
    let response = Response::builder()
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, etag)
        .header(header::CACHE_CONTROL, "private, max-age=31536000, immutable")
        .header("docker-content-digest", digest)
        .header("docker-distribution-api-version", "registry/2.0");
    if head {
        let whole =
            response.header(header::CONTENT_TYPE, &blob.media_type).header(header::CONTENT_LENGTH, blob.size);
        return Ok(whole.body(Body::empty()).unwrap_or_default());
    }
    let bytes = locate(app, &blob).await?;
    match wish {
        Asked::Whole => whole(app, response, &blob, &bytes).await,
        Asked::Parts(parts) => match parts.as_slice() {
            [part] => one(response, &blob, &bytes, part.clone()).await,
            _ => Ok(many(response, blob, bytes, parts)),
        },
        Asked::Unsatisfiable => {
            let response = response.status(StatusCode::RANGE_NOT_SATISFIABLE);
            let response = response.header(header::CONTENT_RANGE, format!("bytes */{}", blob.size));
            Ok(response.body(Body::empty()).unwrap_or_default())
        }
    }
}

async fn locate(app: &App, blob: &ServedBlob) -> Result<Source, V2Error> {
    if let Some(body) = &blob.body {
        return Ok(Source::Here(body.clone().into()));
    }
    let runs = crate::runs::of(app.db.recipe(&blob.digest).await?)?;
    Ok(Source::Stored(app.store.clone(), runs))
}

async fn whole(app: &App, response: Builder, blob: &ServedBlob, bytes: &Source) -> Answer {
    let response =
        response.header(header::CONTENT_TYPE, &blob.media_type).header(header::CONTENT_LENGTH, blob.size);
    let body = match bytes {
        Source::Stored(store, runs) if !app.db.recipe_was_read(&blob.digest).await? => {
            let pieces = store.read(runs.clone(), 0..blob.size).await?;
            Body::from_stream(checked(first::held(pieces, app.db.clone(), blob.digest.clone(), blob.size)))
        }
        _ => body(bytes, 0..blob.size).await?,
    };
    Ok(response.body(body).unwrap_or_default())
}

async fn one(response: Builder, blob: &ServedBlob, bytes: &Source, part: Range<u64>) -> Answer {
    let response = response
        .status(StatusCode::PARTIAL_CONTENT)
        .header(header::CONTENT_TYPE, &blob.media_type)
        .header(header::CONTENT_LENGTH, part.end - part.start)
        .header(header::CONTENT_RANGE, content_range(&part, blob.size));
    Ok(response.body(body(bytes, part).await?).unwrap_or_default())
}

/// Several ranges, as `multipart/byteranges` (RFC 9110 section 14.6): partial pulls ask so.
fn many(response: Builder, blob: ServedBlob, bytes: Source, parts: Vec<Range<u64>>) -> Response<Body> {
    let boundary = "platen-7f3a9c51d2e84b06";
    let response = response
        .status(StatusCode::PARTIAL_CONTENT)
        .header(header::CONTENT_TYPE, format!("multipart/byteranges; boundary={boundary}"));
    let head = move |part: &Range<u64>| {
        let place = content_range(part, blob.size);
        format!("\r\n--{boundary}\r\ncontent-type: {}\r\ncontent-range: {place}\r\n\r\n", blob.media_type)
    };
    let end = stream::once(async move { Ok(Bytes::from(format!("\r\n--{boundary}--\r\n"))) });
    let bytes = std::sync::Arc::new(bytes);
    let pieces = stream::iter(parts).then(move |part| {
        let (bytes, head) = (std::sync::Arc::clone(&bytes), Bytes::from(head(&part)));
        async move {
            let before = stream::once(async move { Ok(head) });
            match body(&bytes, part).await {
                Ok(body) => {
                    before.chain(body.into_data_stream().map(|p| p.map_err(std::io::Error::other))).boxed()
                }
                Err(_) => {
                    stream::once(async { Err(std::io::Error::other("the blob cannot be read")) }).boxed()
                }
            }
        }
    });
    response.body(Body::from_stream(pieces.flatten().chain(end))).unwrap_or_default()
}

fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end - 1)
}

async fn body(bytes: &Source, part: Range<u64>) -> Result<Body, V2Error> {
    match bytes {
        Source::Here(bytes) => {
            let from = usize::try_from(part.start).unwrap_or(usize::MAX).min(bytes.len());
            let to = usize::try_from(part.end).unwrap_or(usize::MAX).min(bytes.len());
            Ok(Body::from(bytes.slice(from..to)))
        }
        Source::Stored(store, runs) => Ok(Body::from_stream(checked(store.read(runs.clone(), part).await?))),
    }
}

/// An error in the middle of a body ends the connection: the client sees that it lacks bytes, and asks again.
fn checked(
    pieces: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    pieces.inspect(|piece| {
        if let Err(error) = piece {
            tracing::error!(error = %error, "a blob broke off while it was served");
        }
    })
}
