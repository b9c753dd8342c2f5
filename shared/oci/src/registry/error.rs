//! Why something could not be had from a registry.

use std::time::Duration;

use crate::digest::Digest;
use crate::reference::Target;

/// Why something could not be had. No variant holds a secret or a whole URL with its query.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The credentials are wrong, or there are none where some are needed.
    #[error("{target}: the registry wants credentials, or those given are wrong.")]
    Unauthorized {
        /// What was asked for.
        target: String,
    },
    /// The credentials are not enough.
    #[error("{target}: the registry does not allow these credentials to pull it.")]
    Denied {
        /// What was asked for.
        target: String,
    },
    /// No such tag, digest or repository.
    #[error("{target}: there is no such repository, tag or digest in the registry.")]
    NotFound {
        /// What was asked for.
        target: String,
    },
    /// Too many requests.
    #[error("{target}: the registry allows no more requests for now.")]
    RateLimited {
        /// What was asked for.
        target: String,
        /// When it will allow them again, if it said so.
        retry_after: Option<Duration>,
    },
    /// No connection.
    #[error("{target}: the registry cannot be reached: {why}.")]
    Unreachable {
        /// What was asked for.
        target: String,
        /// Why.
        why: String,
    },
    /// Nothing came for too long, or too slowly.
    #[error("{target}: the registry is too slow: {why}.")]
    Timeout {
        /// What was asked for.
        target: String,
        /// How slow.
        why: String,
    },
    /// An answer that is none.
    #[error("{target}: the registry answered {why}.")]
    Answer {
        /// What was asked for.
        target: String,
        /// What it answered.
        why: String,
        /// May it pass?
        passing: bool,
    },
    /// An address the factory does not connect to.
    #[error(
        "{host} is not an address this factory may connect to; its operator can allow it with --allow-network."
    )]
    Blocked {
        /// The host.
        host: String,
    },
    /// Other bytes than the digest says.
    #[error("{target}: the bytes have the digest {got}, not {expected}.")]
    Mismatch {
        /// What was asked for.
        target: String,
        /// The digest asked for.
        expected: String,
        /// The digest of what came.
        got: String,
    },
    /// More or fewer bytes than the descriptor says.
    #[error("{what} has {got} bytes or more where {expected} were announced.")]
    Size {
        /// Of what.
        what: String,
        /// Bytes announced.
        expected: u64,
        /// Bytes seen.
        got: u64,
    },
}

impl RegistryError {
    pub(crate) fn mismatch(target: &Target, expected: &Digest, got: &Digest) -> Self {
        Self::Mismatch { target: target.to_string(), expected: expected.to_string(), got: got.to_string() }
    }

    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "registry.unauthorized",
            Self::Denied { .. } => "registry.denied",
            Self::NotFound { .. } => "registry.not_found",
            Self::RateLimited { .. } => "registry.rate_limited",
            Self::Unreachable { .. } => "registry.unreachable",
            Self::Timeout { .. } => "registry.timeout",
            Self::Answer { .. } => "registry.error",
            Self::Blocked { .. } => "ssrf.blocked",
            Self::Mismatch { .. } => "digest.mismatch",
            Self::Size { .. } => "descriptor.size",
        }
    }

    /// Would trying again do nothing else?
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unreachable { .. } | Self::Timeout { .. } => false,
            Self::Answer { passing, .. } => !passing,
            _ => true,
        }
    }
}
