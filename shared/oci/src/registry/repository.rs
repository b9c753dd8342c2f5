//! One repository: its manifests and its blobs.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use url::Url;

use super::auth::Auth;
use super::body;
use super::door::Doors;
use super::recent::Documents;
use super::send::{Failure, host_of};
use super::{BlobStream, Patience, RegistryError};
use crate::digest::{Digest, Mismatch, printable};
use crate::manifest::media_type::{self, DocumentKind};
use crate::manifest::{Descriptor, Document, MAX_DOCUMENT, ManifestError};
use crate::reference::TagOrDigest;

/// The largest error body that is read, in bytes.
const MAX_ERROR_BODY: u64 = 1 << 20;

/// A repository in a registry. Cheap to clone; clones share what the registry has let us in with.
#[derive(Clone)]
pub struct Repository {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) doors: Arc<Doors>,
    pub(super) patience: Arc<Patience>,
    pub(super) base: Url,
    pub(super) repository: String,
    /// The target as the user knows it, for messages.
    pub(super) shown: String,
    pub(super) auth: Auth,
    pub(super) documents: Documents,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({}v2/{})", self.inner.base, self.inner.repository)
    }
}

/// A manifest or index as it came.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The bytes.
    pub bytes: Bytes,
    /// The digest of these very bytes: what an import pins, whatever the tag does next.
    pub digest: Digest,
    /// The `Content-Type` it came under.
    pub media_type: Option<String>,
}

impl Fetched {
    /// Reads it.
    ///
    /// # Errors
    /// Those of [`Document::parse`].
    pub fn document(&self) -> Result<Document, ManifestError> {
        Document::parse(self.bytes.clone(), self.media_type.as_deref())
    }
}

impl Repository {
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Fetches a manifest or index, held to the digest it was asked for by, or to the one the registry claims.
    ///
    /// # Errors
    /// Every [`RegistryError`]; `digest.mismatch` when the bytes are not what either says.
    pub async fn manifest(&self, wanted: &TagOrDigest) -> Result<Fetched, RegistryError> {
        let inner = &self.inner;
        if let TagOrDigest::Digest(digest) = wanted
            && let Some(known) = inner.documents.get(digest)
        {
            return Ok(known);
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(media_type::ACCEPT));
        let path = format!("v2/{}/manifests/{wanted}", inner.repository);
        let response = inner.send(Method::GET, &path, headers).await?;
        if response.status() != StatusCode::OK {
            return Err(inner.refused(response, &inner.named(wanted)).await);
        }
        let text = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let media_type = text(CONTENT_TYPE.as_str());
        let claimed = text("docker-content-digest");
        let bytes = body::read_all(response, MAX_DOCUMENT, &inner.patience).await?;
        let too_large = || ManifestError::Invalid(format!("it is larger than {MAX_DOCUMENT} bytes"));
        let bytes = bytes.ok_or_else(too_large)?;
        // A signed schema 1 manifest is named by the digest of a part of it; it is refused by name when it is read.
        let kind = media_type.as_deref().map(|t| media_type::document(&media_type::bare(t)));
        if kind != Some(DocumentKind::Schema1)
            && let Some(claimed) = claimed
        {
            hold(&bytes, claimed.parse().map_err(ManifestError::from)?)?;
        }
        let digest = match wanted {
            TagOrDigest::Digest(digest) => hold(&bytes, digest.clone())?,
            TagOrDigest::Tag(_) => Digest::of(&bytes),
        };
        let fetched = Fetched { bytes, digest, media_type };
        inner.documents.keep(&fetched);
        Ok(fetched)
    }

    /// Opens a blob. Its bytes are verified as they come and it is resumed when cut; the stream's end means that
    /// all were right.
    ///
    /// # Errors
    /// Every [`RegistryError`]; `layer.foreign` when a layer from elsewhere is not in the registry.
    pub async fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, RegistryError> {
        BlobStream::open(self.clone(), descriptor.clone()).await
    }

    /// A whole blob of at most `max` bytes.
    ///
    /// # Errors
    /// Every [`RegistryError`]; `descriptor.size` when it is larger.
    pub async fn blob_bytes(&self, descriptor: &Descriptor, max: u64) -> Result<Bytes, RegistryError> {
        if descriptor.size > max {
            return Err(ManifestError::DescriptorSize(descriptor.size.to_string()).into());
        }
        if let Some(known) = self.inner.documents.get(&descriptor.digest)
            && known.bytes.len() as u64 == descriptor.size
        {
            return Ok(known.bytes);
        }
        let parts: Vec<Bytes> = self.blob(descriptor).await?.try_collect().await?;
        let bytes = Bytes::from(parts.concat());
        let (digest, media_type) = (descriptor.digest.clone(), None);
        self.inner.documents.keep(&Fetched { bytes: bytes.clone(), digest, media_type });
        Ok(bytes)
    }

    /// Whether the registry has a blob and these credentials may fetch it (HEAD).
    ///
    /// # Errors
    /// Every [`RegistryError`] but `registry.not_found`.
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let inner = &self.inner;
        let response = inner.send(Method::HEAD, &inner.blob_path(digest), HeaderMap::new()).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(inner.refused(response, &format!("{}@{digest}", inner.shown)).await),
        }
    }
}

fn hold(bytes: &[u8], expected: Digest) -> Result<Digest, Mismatch> {
    let found = Digest::of_with(expected.algorithm(), bytes);
    if found == expected { Ok(found) } else { Err(Mismatch::Digest { expected, found }) }
}

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Inner {
    pub(super) fn blob_path(&self, digest: &Digest) -> String {
        format!("v2/{}/blobs/{digest}", self.repository)
    }

    /// The target with what is asked for now in place of what the user wrote, where these differ.
    fn named(&self, wanted: &TagOrDigest) -> String {
        match wanted {
            TagOrDigest::Digest(digest) if !self.shown.ends_with(&digest.to_string()) => {
                format!("{}@{digest}", self.shown)
            }
            _ => self.shown.clone(),
        }
    }

    /// What an answer that is no success means, with the registry's own words where it has some.
    pub(super) async fn refused(&self, response: Response, reference: &str) -> RegistryError {
        let host = host_of(response.url());
        let at_home = response.url().origin() == self.base.origin();
        let (status, headers) = (response.status(), response.headers().clone());
        // Only refusals that tell apart a tag from a repository, or say why, are worth reading.
        let body = match body::read_all(response, MAX_ERROR_BODY, &self.patience).await {
            Ok(body) => body.unwrap_or_default(),
            Err(error) => {
                tracing::debug!(%error, "the body of an error could not be read");
                Bytes::new()
            }
        };
        let reason = serde_json::from_slice::<Refusal>(&body).ok().and_then(|r| r.errors.into_iter().next());
        let (code, message) = reason.map(|r| (r.code, printable(&r.message, 200))).unwrap_or_default();
        let reference = reference.to_owned();
        match status {
            StatusCode::UNAUTHORIZED if at_home => self.not_let_in(host, reference, message).await,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let why = if message.is_empty() { format!("status {status}") } else { message };
                RegistryError::Denied { host, reference, why }
            }
            StatusCode::NOT_FOUND => {
                let what = match code.as_str() {
                    "MANIFEST_UNKNOWN" => "the repository is there, but no such tag or digest",
                    "NAME_UNKNOWN" => "there is no such repository",
                    "BLOB_UNKNOWN" => "there is no such blob in the repository",
                    _ => "the registry has no such repository, tag or digest",
                };
                RegistryError::NotFound { reference, what: what.to_owned() }
            }
            status => Failure::of_status(&host, status, &headers).error,
        }
    }

    /// A refusal that stood although everything was shown that could be.
    async fn not_let_in(&self, host: String, reference: String, message: String) -> RegistryError {
        if self.auth.credentials.is_none() {
            return self.anonymous(host);
        }
        match self.auth.pass.lock().await.as_ref() {
            // A token server has taken the credentials, so it is not they that are wrong.
            Some(pass) if !pass.is_password => {
                let why = if message.is_empty() { "the account may not pull it".into() } else { message };
                RegistryError::Denied { host, reference, why }
            }
            _ => RegistryError::Unauthorized { host, reference },
        }
    }
}
