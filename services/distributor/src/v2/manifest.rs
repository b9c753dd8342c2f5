//! Manifests: by tag or digest, exactly the bytes that were stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use db::Db;
use model::access::Principal;
use model::{HubId, ImageId};

use super::error::V2Error;
use super::turn::Turns;
use super::{Answer, App};

/// A process notes the use of an image this often at most.
const NOTE: Duration = Duration::from_secs(30);

/// This many images are remembered as noted; then they are noted anew.
const NOTED: usize = 10_000;

/// What a reference points to.
#[derive(Clone)]
struct Found {
    image: ImageId,
    digest: String,
    media_type: String,
    body: Bytes,
}

type Key = (HubId, String, String);

/// What manifests are answered with: requests that wait for the same answer, and uses that were noted lately.
pub(crate) struct Manifests {
    // The error was told where it came about; those who waited too learn only that there is no answer.
    turns: Turns<Key, Result<Option<Arc<Found>>, ()>>,
    noted: Mutex<HashMap<ImageId, Instant>>,
}

impl Manifests {
    pub(crate) fn new() -> Self {
        Self { turns: Turns::new(), noted: Mutex::default() }
    }

    async fn find(
        &self,
        db: &Db,
        hub: &HubId,
        source: &str,
        reference: &str,
    ) -> Result<Option<Arc<Found>>, V2Error> {
        let key = (hub.clone(), source.to_owned(), reference.to_owned());
        let question = || async {
            let found = db.manifest(hub, source, reference).await.map_err(|error| {
                let _told = V2Error::from(error);
            })?;
            Ok(found.map(|m| {
                Arc::new(Found {
                    image: m.image,
                    digest: m.digest,
                    media_type: m.media_type,
                    body: m.body.into(),
                })
            }))
        };
        self.turns.ask(key, question).await.map_err(|()| V2Error::away())
    }

    /// A pull begins with the manifest: the image is in use.
    async fn note(&self, db: &Db, image: &ImageId) -> Result<(), V2Error> {
        {
            let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.get(image).is_some_and(|at| at.elapsed() < NOTE) {
                return Ok(());
            }
        }
        db.pulled(image).await?;
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= NOTED {
            noted.clear();
        }
        noted.insert(image.clone(), Instant::now());
        Ok(())
    }
}

pub(super) async fn answer(
    app: &App,
    who: &Principal,
    source: &str,
    reference: &str,
    head: bool,
    asked: &HeaderMap,
) -> Answer {
    let manifest = app
        .manifests
        .find(&app.db, &who.hub, source, reference)
        .await?
        .ok_or_else(|| V2Error::manifest_unknown(reference))?;
    if !head {
        app.manifests.note(&app.db, &manifest.image).await?;
    }
    let etag = format!("\"{}\"", manifest.digest);
    if asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let response = Response::builder()
        .header(header::CONTENT_TYPE, &manifest.media_type)
        .header(header::CONTENT_LENGTH, manifest.body.len())
        .header(header::ETAG, etag)
        .header("docker-content-digest", &manifest.digest)
        .header("docker-distribution-api-version", "registry/2.0");
    let body = if head { Body::empty() } else { Body::from(manifest.body.clone()) };
    Ok(response.body(body).unwrap_or_default())
}
