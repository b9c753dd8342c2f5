//! A registry for one push: what a builder sends to it goes to the taker, and nothing is kept.
//!
//! It answers as much of the OCI distribution specification (push) as `containers/image` uses, on a port that only the builder's
//! own network has.

use std::io::{Cursor, Read};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, patch};
use futures::TryStreamExt;
use oci::digest::Digest;
use oci::manifest::Document;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::{BuiltImage, Layer, MAX_DOCUMENT, Shelf, Taker, document, ended, invalid, is_layer, take};
use crate::BuildError;

/// The repository that is pushed to.
pub const REPOSITORY: &str = "built";

/// A registry that takes one image.
#[derive(Debug)]
pub struct PushDoor {
    /// `127.0.0.1:port`, in the network that it was opened in.
    pub address: String,
    shelf: Arc<Shelf>,
    pushed: mpsc::UnboundedReceiver<BuiltImage>,
    server: tokio::task::JoinHandle<()>,
}

struct Door<T> {
    taker: Arc<T>,
    shelf: Arc<Shelf>,
    pushed: mpsc::UnboundedSender<BuiltImage>,
}

impl<T> Clone for Door<T> {
    fn clone(&self) -> Self {
        Self { taker: Arc::clone(&self.taker), shelf: Arc::clone(&self.shelf), pushed: self.pushed.clone() }
    }
}

impl PushDoor {
    /// Opens it.
    ///
    /// # Errors
    /// `builder.network` when the port has no address.
    pub fn open<T: Taker>(listener: TcpListener, taker: Arc<T>) -> Result<Self, BuildError> {
        let address = listener.local_addr().map_err(|e| {
            BuildError::transient("builder.network", format!("The builder cannot hand its image over: {e}."))
        })?;
        let (sender, pushed) = mpsc::unbounded_channel();
        let shelf = Arc::new(Shelf::default());
        let door = Door { taker, shelf: Arc::clone(&shelf), pushed: sender };
        let router = Router::new()
            .route("/v2/", get(|| async { StatusCode::OK }))
            .route("/v2/built/blobs/uploads/", any(begin))
            .route("/v2/built/blobs/uploads/{id}", patch(blob::<T>).put(end::<T>))
            .route("/v2/built/blobs/{digest}", get(missing).head(known::<T>))
            .route("/v2/built/manifests/{reference}", get(missing).put(manifest::<T>))
            .with_state(door);
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address: address.to_string(), shelf, pushed, server })
    }

    /// The image that was pushed, after the builder's end; or what went wrong with a part of it.
    pub fn image(&mut self) -> Option<Result<BuiltImage, BuildError>> {
        if let Some(error) = self.shelf.arrived().error.take() {
            return Some(Err(error));
        }
        self.pushed.try_recv().ok().map(Ok)
    }
}

impl Drop for PushDoor {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn missing() -> StatusCode {
    StatusCode::NOT_FOUND
}

async fn known<T: Taker>(State(door): State<Door<T>>, Path(digest): Path<String>) -> Response {
    let Ok(digest) = digest.parse::<Digest>() else { return StatusCode::BAD_REQUEST.into_response() };
    let arrived = door.shelf.arrived().layers.get(&digest).map(|layer| layer.size);
    let size = match arrived {
        Some(size) => Some(size),
        None => door.taker.known(&digest).await,
    };
    let Some(size) = size else { return StatusCode::NOT_FOUND.into_response() };
    // What is known goes by the digest of its tar.
    let known = Layer { diff_id: digest.clone(), size };
    door.shelf.arrived().layers.entry(digest).or_insert(known);
    let mut response = Body::empty().into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    response
}

async fn begin() -> Response {
    let id = uuid();
    (StatusCode::ACCEPTED, [(header::LOCATION, format!("/v2/{REPOSITORY}/blobs/uploads/{id}"))])
        .into_response()
}

/// Uploads are told apart by what they send, so their names need only differ.
fn uuid() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

async fn blob<T: Taker>(State(door): State<Door<T>>, Path(id): Path<String>, request: Request) -> Response {
    match receive(&door, request.into_body()).await {
        Ok(()) => {
            let place = format!("/v2/{REPOSITORY}/blobs/uploads/{id}");
            (StatusCode::ACCEPTED, [(header::LOCATION, place)]).into_response()
        }
        Err(error) => {
            door.shelf.arrived().error.get_or_insert(error);
            StatusCode::BAD_REQUEST.into_response()
        }
    }
}

#[derive(Deserialize)]
struct Named {
    digest: String,
}

async fn end<T: Taker>(
    State(door): State<Door<T>>,
    Query(named): Query<Named>,
    request: Request,
) -> Response {
    // Small blobs may come with this request.
    if let Err(error) = receive(&door, request.into_body()).await {
        door.shelf.arrived().error.get_or_insert(error);
        return StatusCode::BAD_REQUEST.into_response();
    }
    let Ok(digest) = named.digest.parse::<Digest>() else { return StatusCode::BAD_REQUEST.into_response() };
    let arrived = door.shelf.arrived();
    if arrived.layers.contains_key(&digest) || arrived.documents.contains_key(&digest) {
        (StatusCode::CREATED, [("docker-content-digest", digest.to_string())]).into_response()
    } else {
        StatusCode::BAD_REQUEST.into_response()
    }
}

async fn manifest<T: Taker>(State(door): State<Door<T>>, body: Bytes) -> Response {
    let image = document(body).and_then(|document| match document {
        Document::Manifest(manifest) => door.shelf.image(manifest),
        Document::Index(_) => Err(invalid("it is an index")),
    });
    match image {
        Ok(image) => {
            let digest = image.manifest.digest.to_string();
            let _ = door.pushed.send(image);
            (StatusCode::CREATED, [("docker-content-digest", digest)]).into_response()
        }
        Err(error) => {
            door.shelf.arrived().error.get_or_insert(error);
            StatusCode::BAD_REQUEST.into_response()
        }
    }
}

/// Receives a blob: layers go to the taker, documents are kept.
async fn receive<T: Taker>(door: &Door<T>, body: Body) -> Result<(), BuildError> {
    let broken = |e: std::io::Error| {
        BuildError::transient(
            "builder.image",
            format!("What the builder made broke off while it was sent: {e}."),
        )
    };
    let stream = body.into_data_stream().map_err(std::io::Error::other);
    let mut reader = SyncIoBridge::new(StreamReader::new(stream));
    let head = move || -> std::io::Result<_> {
        let mut head = vec![0; 512];
        let mut have = 0;
        while let Some(rest) = head.get_mut(have..).filter(|rest| !rest.is_empty()) {
            match reader.read(rest)? {
                0 => break,
                read => have += read,
            }
        }
        head.truncate(have);
        Ok((head, reader))
    };
    let (head, reader) = tokio::task::spawn_blocking(head).await.map_err(ended)?.map_err(broken)?;
    if head.is_empty() {
        return Ok(());
    }
    if is_layer(&head) {
        take(&door.shelf, door.taker.as_ref(), Cursor::new(head).chain(reader)).await?;
        return Ok(());
    }
    let read = move || -> std::io::Result<Vec<u8>> {
        let mut all = head;
        reader.take(MAX_DOCUMENT + 1).read_to_end(&mut all)?;
        Ok(all)
    };
    let bytes = tokio::task::spawn_blocking(read).await.map_err(ended)?.map_err(broken)?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(invalid("a document in it is too large"));
    }
    let bytes = bytes::Bytes::from(bytes);
    door.shelf.arrived().documents.insert(Digest::of(&bytes), bytes);
    Ok(())
}
