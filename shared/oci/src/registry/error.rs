//! What can go wrong with a registry, each with its own code.

use std::io;
use std::time::{Duration, SystemTime};

use url::Url;

use crate::digest::{Mismatch, printable};
use crate::manifest::ManifestError;
use crate::source::SourceError;

/// A pull that failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// The credentials are wrong. Code `registry.unauthorized`.
    #[error(
        "{host} does not accept the credentials given for {reference}; check the username and password or token"
    )]
    Unauthorized {
        /// The registry or its token server.
        host: String,
        /// What was asked for.
        reference: String,
    },
    /// The registry refuses. Code `registry.denied`.
    #[error("{host} refuses access to {reference}: {why}")]
    Denied {
        /// Who refuses.
        host: String,
        /// What was asked for.
        reference: String,
        /// Why, as far as known.
        why: String,
    },
    /// There is no such thing. Code `registry.not_found`.
    #[error("{reference} was not found: {what}")]
    NotFound {
        /// What was asked for.
        reference: String,
        /// What is missing: the tag, the repository, a blob.
        what: String,
    },
    /// A layer that its makers keep elsewhere. Code `layer.foreign`.
    #[error("layer {digest} of {reference} is kept outside the registry, and nothing is fetched from there")]
    Foreign {
        /// The layer.
        digest: String,
        /// The image.
        reference: String,
    },
    /// No connection. Code `registry.unreachable`.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// The host.
        host: String,
        /// The cause in words.
        why: String,
    },
    /// Too many requests. Code `registry.rate_limited`.
    #[error("{host} limits how often it may be asked; the next try is due {}", until(.retry_at))]
    RateLimited {
        /// The host.
        host: String,
        /// When the registry wants to be asked again.
        retry_at: SystemTime,
    },
    /// An answer that makes no sense, or a failure of the registry's own. Code `registry.error`.
    #[error("{host} answered with an error: {why}")]
    Failed {
        /// The host.
        host: String,
        /// The answer in words.
        why: String,
        /// When the registry wants to be asked again, if it said so.
        retry_at: Option<SystemTime>,
        /// Whether asking again is of no use.
        permanent: bool,
    },
    /// No byte for too long. Code `registry.timeout`.
    #[error("{host} fell silent: {why}")]
    Timeout {
        /// The host.
        host: String,
        /// Which bound was passed.
        why: String,
    },
    /// Bytes, but too few of them for too long. Code `registry.too_slow`.
    ///
    /// Permanent: whoever trickles would otherwise hold a worker for as many windows as there are attempts.
    #[error("{host} is too slow: {why}")]
    TooSlow {
        /// The host.
        host: String,
        /// Which bound was passed.
        why: String,
    },
    /// An address that must not be reached. Code `ssrf.blocked`.
    #[error("no connection to {url} was made: {why}")]
    Blocked {
        /// The url without user, path and query.
        url: String,
        /// Which rule closes it.
        why: String,
    },
    /// Content is not what its digest or size says. Codes `digest.mismatch`, `descriptor.size`.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// What came is no usable image.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The client cannot be made as configured. Code `registry.setup`.
    #[error("the registry client cannot be set up: {why}")]
    Setup {
        /// What is wrong.
        why: String,
    },
}

fn until(time: &SystemTime) -> String {
    httpdate::fmt_http_date(*time)
}

impl RegistryError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "registry.unauthorized",
            Self::Denied { .. } => "registry.denied",
            Self::NotFound { .. } => "registry.not_found",
            Self::Foreign { .. } => "layer.foreign",
            Self::Unreachable { .. } => "registry.unreachable",
            Self::RateLimited { .. } => "registry.rate_limited",
            Self::Failed { .. } => "registry.error",
            Self::Timeout { .. } => "registry.timeout",
            Self::TooSlow { .. } => "registry.too_slow",
            Self::Blocked { .. } => "ssrf.blocked",
            Self::Mismatch(e) => e.code(),
            Self::Manifest(e) => e.code(),
            Self::Setup { .. } => "registry.setup",
        }
    }

    /// Whether trying again later is of no use.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::RateLimited { .. } | Self::Timeout { .. } => false,
            Self::Failed { permanent, .. } => *permanent,
            Self::Mismatch(e) => e.is_permanent(),
            Self::Manifest(e) => e.is_permanent(),
            _ => true,
        }
    }

    /// When the registry wants to be asked again, if it said so.
    pub fn retry_at(&self) -> Option<SystemTime> {
        match self {
            Self::RateLimited { retry_at, .. } => Some(*retry_at),
            Self::Failed { retry_at, .. } => *retry_at,
            _ => None,
        }
    }

    /// The registry's error inside an I/O error, where a blob was read through [`super::blocking_reader`].
    pub fn within(error: &io::Error) -> Option<&Self> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|e| e as _);
        while let Some(inner) = cause {
            if let Some(found) = inner.downcast_ref() {
                return Some(found);
            }
            if let Some(SourceError::Registry(found)) = inner.downcast_ref() {
                return Some(found);
            }
            // An io::Error hands out the cause of what it holds, so what it holds is asked for by name.
            let held = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            cause = held.map(|e| e as _).or_else(|| inner.source());
        }
        None
    }

    pub(super) fn blocked(url: &Url, why: &str) -> Self {
        let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
        let url = format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default());
        Self::Blocked { url: printable(&url, 200), why: why.to_owned() }
    }

    pub(super) fn nonsense(host: &str, why: impl Into<String>) -> Self {
        Self::Failed { host: host.to_owned(), why: why.into(), retry_at: None, permanent: true }
    }

    pub(super) fn passing(host: &str, why: impl Into<String>, wish: Option<Duration>) -> Self {
        let retry_at = wish.map(|wish| SystemTime::now() + wish);
        Self::Failed { host: host.to_owned(), why: why.into(), retry_at, permanent: false }
    }

    pub(super) fn timeout(host: &str, why: impl Into<String>) -> Self {
        Self::Timeout { host: host.to_owned(), why: why.into() }
    }
}
