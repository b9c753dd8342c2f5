//! Pulling from a registry (OCI distribution specification 1.1; Docker Registry HTTP API V2).
//!
//! A thin client of our own, for what no library gives together: every address is checked where the connection is
//! made, redirects are followed by hand and never carry credentials to another host, bodies are bounded, retries
//! honour `Retry-After`, a blob that breaks off is resumed by `Range`, and bytes are checked against their digest
//! while they stream.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

mod auth;
mod blob;
mod error;
mod policy;
mod reader;
mod request;

pub use blob::BlobStream;
pub use error::RegistryError;
pub use policy::{NetworkPolicy, PolicyError};
pub use reader::blocking_reader;

use crate::digest::Digest;
use crate::manifest::{Descriptor, MOST_BYTES};
use crate::reference::{Target, Version};
use auth::Auth;
use policy::Guard;

/// A user name with a password or token. It is never printed.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: SecretString,
}

/// How long to wait and how often to try.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Without a byte.
    pub idle: Duration,
    /// Tries of one request in all.
    pub tries: u32,
    /// Before the second try; doubled each time, with jitter.
    pub backoff: Duration,
    /// A `Retry-After` beyond this is not waited for: the import is put back and tried later.
    pub longest_wait: Duration,
    /// A body that comes slower than this many bytes a second over `slow_over` is given up.
    pub slowest: u64,
    /// See `slowest`.
    pub slow_over: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30),
            tries: 4,
            backoff: Duration::from_millis(200),
            longest_wait: Duration::from_secs(10),
            slowest: 64 * 1024,
            slow_over: Duration::from_secs(60),
        }
    }
}

/// A client for every registry; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    guard: Arc<Guard>,
    patience: Patience,
}

/// One repository, with whatever it takes to be let in.
#[derive(Debug, Clone)]
pub struct Repository {
    guard: Arc<Guard>,
    patience: Patience,
    target: Target,
    auth: Arc<Auth>,
}

/// A manifest as it was answered. It is pinned by the digest of these very bytes.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
    /// What the registry called them.
    pub media_type: Option<String>,
}

impl Client {
    /// A client that keeps to a policy.
    ///
    /// # Errors
    /// When a certificate cannot be read.
    pub fn new(policy: NetworkPolicy, patience: Patience) -> Result<Self, PolicyError> {
        Ok(Self { guard: Arc::new(Guard::new(policy)?), patience })
    }

    /// The repository of a target.
    pub fn repository(&self, target: &Target, credentials: Option<Credentials>) -> Repository {
        Repository {
            guard: Arc::clone(&self.guard),
            patience: self.patience.clone(),
            target: target.clone(),
            auth: Arc::new(Auth::new(&target.repository, credentials)),
        }
    }
}

impl Repository {
    /// The target this repository was made for.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The manifest (or index) of a tag or digest.
    ///
    /// # Errors
    /// When it cannot be had, is too large, or is not what its digest says.
    pub async fn manifest(&self, version: &Version) -> Result<Fetched, RegistryError> {
        let url = self.url(&format!("manifests/{version}"))?;
        let response = self.get(url, request::MANIFESTS, 0).await?;
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (media_type, claimed) = (header("content-type"), header("docker-content-digest"));
        let bytes = self.body(response, MOST_BYTES, "manifest").await?;
        let digest = match version {
            Version::Digest(digest) if !digest.matches(&bytes) => {
                return Err(RegistryError::mismatch(&self.target, digest, &Digest::of(&bytes)));
            }
            Version::Digest(digest) => digest.clone(),
            Version::Tag(_) => Digest::of(&bytes),
        };
        // A registry that contradicts itself cannot be trusted with anything.
        if let Some(claimed) = claimed.and_then(|c| c.parse::<Digest>().ok())
            && !claimed.matches(&bytes)
        {
            return Err(RegistryError::mismatch(&self.target, &claimed, &Digest::of(&bytes)));
        }
        Ok(Fetched { bytes, digest, media_type })
    }

    /// A small blob, whole.
    ///
    /// # Errors
    /// When it cannot be had, or is not what its descriptor says.
    pub async fn blob_bytes(&self, wanted: &Descriptor, most: u64) -> Result<Vec<u8>, RegistryError> {
        use futures::TryStreamExt;
        if wanted.size > most {
            return Err(RegistryError::Size {
                what: wanted.digest.to_string(),
                expected: most,
                got: wanted.size,
            });
        }
        let mut stream = std::pin::pin!(self.blob(wanted.clone()));
        let mut bytes = Vec::new();
        while let Some(piece) = stream.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}
