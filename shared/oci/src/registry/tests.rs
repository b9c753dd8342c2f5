//! The client against servers that misbehave, on the loopback, and against the real registry where there is one.

mod auth;
mod blobs;
mod guard;
mod manifests;
mod real;
mod retries;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use serde_json::json;

use super::*;
use crate::digest::Digest;
use crate::manifest::{Descriptor, media_type};
use crate::reference::Target;

/// A request a stand-in saw.
#[derive(Debug, Clone)]
struct Seen {
    path: String,
    headers: HeaderMap,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }
}

/// A server on the loopback that answers as a test says and remembers what it was asked.
struct Stand {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Stand {
    /// Starts one; `answer` gets each request and how many came before it.
    async fn start(answer: impl Fn(&Seen, usize) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let notes = seen.clone();
        let router = axum::Router::new().fallback(move |request: Request<Body>| {
            let path = request.uri().path_and_query().unwrap().to_string();
            let now = Seen { path, headers: request.headers().clone() };
            let before = {
                let mut notes = notes.lock().unwrap();
                notes.push(now.clone());
                notes.len() - 1
            };
            let response = answer(&now, before);
            async move { response }
        });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, server }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn repository(&self, credentials: Option<Credentials>) -> Repository {
        client(loopback()).repository(&self.target(), credentials)
    }

    fn target(&self) -> Target {
        Target::at(&self.url, "team/app:1").unwrap()
    }
}

/// The operator allows all of the loopback, whoever names it.
fn loopback() -> NetworkPolicy {
    NetworkPolicy { networks: vec!["127.0.0.0/8".parse().unwrap()], ..NetworkPolicy::default() }
}

fn quick() -> Patience {
    Patience {
        connect: Duration::from_secs(5),
        silence: Duration::from_secs(5),
        attempts: 3,
        pause: Duration::from_millis(2),
        pause_max: Duration::from_millis(10),
        retry_after_max: Duration::from_secs(1),
        ..Patience::default()
    }
}

fn client(policy: NetworkPolicy) -> Client {
    Client::with_patience(policy, quick()).unwrap()
}

fn status(code: u16) -> Response<Body> {
    with_header(code, "x-test", "1")
}

fn with_header(code: u16, name: &str, value: &str) -> Response<Body> {
    Response::builder().status(code).header(name, value).body(Body::empty()).unwrap()
}

fn ok(bytes: impl Into<Body>) -> Response<Body> {
    Response::builder().status(StatusCode::OK).body(bytes.into()).unwrap()
}

/// An answer that promises `promised` bytes, sends `sent` and breaks off.
fn cut(promised: usize, sent: &[u8]) -> Response<Body> {
    Response::builder().header("content-length", promised).body(breaking(sent)).unwrap()
}

fn breaking(sent: &[u8]) -> Body {
    let sent = bytes::Bytes::copy_from_slice(sent);
    // The pause between lets the bytes leave before the connection is torn down.
    let stream = futures::stream::unfold(0, move |step| {
        let sent = sent.clone();
        async move {
            match step {
                0 => Some((Ok(sent), 1)),
                1 => {
                    tokio::task::yield_now().await;
                    Some((Err(std::io::Error::other("cut")), 2))
                }
                _ => None,
            }
        }
    });
    Body::from_stream(stream)
}

fn layer(content: &[u8]) -> Descriptor {
    sized(content, content.len() as u64)
}

fn sized(content: &[u8], size: u64) -> Descriptor {
    Descriptor {
        media_type: format!("{}+gzip", media_type::OCI_LAYER),
        digest: Digest::of(content),
        size,
        has_urls: false,
        platform: None,
        is_attestation: false,
        name: None,
    }
}

/// Content long enough to be sent in many pieces, and never the same twice in a row.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n / 251 * 7 + n) as u8).collect()
}

async fn pull(repository: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError> {
    repository.blob_bytes(descriptor, 1 << 30).await.map(|b| b.to_vec())
}

fn manifest(config: &[u8], layers: &[&[u8]]) -> String {
    let part = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()});
    let layers: Vec<_> = layers.iter().map(|l| part(media_type::OCI_LAYER, l)).collect();
    json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": part(media_type::OCI_CONFIG, config), "layers": layers,
    })
    .to_string()
}

fn config(architecture: &str, layers: &[&[u8]]) -> String {
    let diff_ids: Vec<_> = layers.iter().map(|l| Digest::of(l)).collect();
    json!({"os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
        .to_string()
}
