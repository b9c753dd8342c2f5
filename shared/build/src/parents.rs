//! Parents (`FROM`, `COPY --from`): a registry in the build's own network that fetches them with the factory's client.
//!
//! So the rules about addresses hold for them as for imports, mirrors are asked first, and credentials never come near a build:
//! the builder pulls from here, without any. Which registries it may name is read from the Dockerfile beforehand ([`hosts`]); one
//! that is put together from variables in a way not understood here is pulled over the build's network, if that is public.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use oci::digest::Digest;
use oci::manifest::{Descriptor, Document};
use oci::reference::{DOCKER_HUB, Reference, TagOrDigest, Target};
use oci::registry::{Client, Credentials, Fetched, RegistryError, Repository};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use crate::{BuildError, ParentLogin};

mod hosts;

pub use hosts::hosts;

/// Another place to pull a registry's images from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The registry, `host[:port]`; `docker.io` for Docker Hub.
    pub host: String,
    /// Where its images are, with a scheme and perhaps a path.
    pub url: String,
}

impl std::str::FromStr for Mirror {
    type Err = String;

    /// Reads `docker.io=https://mirror.example`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (host, url) =
            text.split_once('=').ok_or("write a mirror as `docker.io=https://mirror.example`")?;
        Target::at(url.trim(), "probe").map_err(|e| e.to_string())?;
        Ok(Self { host: host.trim().to_owned(), url: url.trim().to_owned() })
    }
}

/// The registries that one build may pull parents from.
#[derive(Debug)]
pub struct Parents {
    client: Client,
    hosts: Vec<String>,
    logins: Vec<ParentLogin>,
    mirrors: Vec<Mirror>,
    /// What blobs are, from the manifests that name them.
    blobs: Mutex<HashMap<Digest, Descriptor>>,
    /// What ended a pull: the builder tells less of it.
    error: Mutex<Option<BuildError>>,
}

impl Parents {
    /// For the registries `hosts`, and those of the logins.
    pub fn new(
        client: Client,
        mut hosts: Vec<String>,
        logins: Vec<ParentLogin>,
        mirrors: Vec<Mirror>,
    ) -> Self {
        hosts.extend(logins.iter().map(|login| login.host.clone()));
        hosts.push(DOCKER_HUB.to_owned());
        hosts.sort();
        hosts.dedup();
        Self { client, hosts, logins, mirrors, blobs: Mutex::default(), error: Mutex::default() }
    }

    /// The builder's `registries.conf`, with these registries at `address`. See containers-registries.conf(5).
    pub fn configuration(&self, address: &str) -> String {
        let mut text =
            "unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"permissive\"\n".to_owned();
        for (place, host) in self.hosts.iter().enumerate() {
            text.push_str(&format!(
                "\n[[registry]]\nprefix = \"{host}\"\nlocation = \"{address}/from{place}\"\ninsecure = true\n"
            ));
        }
        text
    }

    /// What ended a pull, if one was.
    pub fn error(&self) -> Option<BuildError> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Serves them until the task is aborted.
    pub fn serve(self: Arc<Self>, listener: TcpListener) -> tokio::task::JoinHandle<()> {
        let router = Router::new()
            .route("/v2/", get(|| async { StatusCode::OK }))
            .route("/v2/{*rest}", get(answer))
            .with_state(self);
        tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        })
    }

    /// The repository in its registry, and in mirrors of that: those are asked first.
    fn places(&self, place: usize, name: &str, wanted: &TagOrDigest) -> Option<Vec<Repository>> {
        let host = self.hosts.get(place)?;
        let joint = if matches!(wanted, TagOrDigest::Digest(_)) { '@' } else { ':' };
        let target = format!("{name}{joint}{wanted}");
        let login = self.logins.iter().find(|login| login.host == *host);
        let credentials = login.map(|login| Credentials {
            username: login.username.clone(),
            password: login.password.expose_secret().to_owned().into(),
        });
        let scheme = login.and_then(|login| login.scheme.as_deref());
        let own = match scheme {
            Some(scheme) if host != DOCKER_HUB => Target::at(&format!("{scheme}://{host}"), &target).ok()?,
            _ => Target::of(&format!("{host}/{target}").parse::<Reference>().ok()?).ok()?,
        };
        let mirrors = self.mirrors.iter().filter(|mirror| mirror.host == *host);
        let mirrors = mirrors.filter_map(|mirror| Target::at(&mirror.url, &target).ok());
        let mirrors = mirrors.map(|target| self.client.repository(&target, None));
        // A mirror gets no credentials that are not its own.
        Some(mirrors.chain([self.client.repository(&own, credentials)]).collect())
    }

    async fn manifest(
        &self,
        repositories: &[Repository],
        wanted: &TagOrDigest,
    ) -> Result<Fetched, RegistryError> {
        let mut last = None;
        for repository in repositories {
            match repository.manifest(wanted).await {
                Ok(fetched) => {
                    self.remember(&fetched);
                    return Ok(fetched);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| nothing(wanted)))
    }

    fn remember(&self, fetched: &Fetched) {
        if let Ok(Document::Manifest(manifest)) = fetched.document() {
            let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            for blob in manifest.layers.into_iter().chain([manifest.config]) {
                blobs.insert(blob.digest.clone(), blob);
            }
        }
    }
}

fn nothing(wanted: &TagOrDigest) -> RegistryError {
    RegistryError::NotFound {
        reference: wanted.to_string(),
        what: "no registry is known that has it".to_owned(),
    }
}

/// `from<place>/<name>/(manifests|blobs)/<wanted>`.
fn path(rest: &str) -> Option<(usize, &str, &str, TagOrDigest)> {
    let (place, rest) = rest.strip_prefix("from")?.split_once('/')?;
    let (rest, wanted) = rest.rsplit_once('/')?;
    let (name, kind) = rest.rsplit_once('/')?;
    let wanted = match wanted.parse() {
        Ok(digest) => TagOrDigest::Digest(digest),
        Err(_) => TagOrDigest::Tag(wanted.to_owned()),
    };
    Some((place.parse().ok()?, name, kind, wanted))
}

async fn answer(State(parents): State<Arc<Parents>>, method: Method, Path(rest): Path<String>) -> Response {
    let Some((place, name, kind, wanted)) = path(&rest) else { return StatusCode::NOT_FOUND.into_response() };
    let Some(repositories) = parents.places(place, name, &wanted) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let answered = match (kind, &wanted) {
        ("manifests", _) => {
            parents.manifest(&repositories, &wanted).await.map(|fetched| document(fetched, &method))
        }
        ("blobs", TagOrDigest::Digest(digest)) => blob(&parents, &repositories, digest, &method).await,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    answered.unwrap_or_else(|error| {
        let host = parents.hosts.get(place).cloned().unwrap_or_default();
        refused(&parents, &error, &host)
    })
}

/// The builder is told what makes it stop; the user what the registry said.
fn refused(parents: &Parents, error: &RegistryError, host: &str) -> Response {
    let (code, status, what) = match error {
        RegistryError::NotFound { .. } => ("build.parent_missing", StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
        RegistryError::Denied { .. } | RegistryError::Unauthorized { .. } => {
            ("build.parent_denied", StatusCode::FORBIDDEN, "DENIED")
        }
        other if other.is_permanent() => (other.code(), StatusCode::FORBIDDEN, "DENIED"),
        other => (other.code(), StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
    };
    let told = format!("A parent image from {host} cannot be pulled: {error}");
    let error = if error.is_permanent() {
        BuildError::permanent(code, told)
    } else {
        BuildError::transient(code, told)
    };
    parents.error.lock().unwrap_or_else(PoisonError::into_inner).replace(error);
    let body = format!(r#"{{"errors":[{{"code":"{what}","message":"see the build's log"}}]}}"#);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn document(fetched: Fetched, method: &Method) -> Response {
    let size = fetched.bytes.len();
    let body = if method == Method::HEAD { Body::empty() } else { Body::from(fetched.bytes) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    let kind = fetched.media_type.and_then(|kind| HeaderValue::from_str(&kind).ok());
    headers.insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/json")));
    if let Ok(digest) = HeaderValue::from_str(&fetched.digest.to_string()) {
        headers.insert("docker-content-digest", digest);
    }
    response
}

async fn blob(
    parents: &Parents,
    repositories: &[Repository],
    digest: &Digest,
    method: &Method,
) -> Result<Response, RegistryError> {
    let known = parents.blobs.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
    let wanted = TagOrDigest::Digest(digest.clone());
    let descriptor = known.ok_or_else(|| nothing(&wanted))?;
    let length = [(header::CONTENT_LENGTH, HeaderValue::from(descriptor.size))];
    if *method == Method::HEAD {
        return Ok((length, Body::empty()).into_response());
    }
    let mut last = nothing(&wanted);
    for repository in repositories {
        match repository.blob(&descriptor).await {
            Ok(stream) => return Ok((length, Body::from_stream(stream)).into_response()),
            Err(error) => last = error,
        }
    }
    Err(last)
}
