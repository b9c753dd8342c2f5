//! One HTTP client for each [`Door`], since a resolver is told a name but neither why nor for which scheme.
//!
//! The check sits in the resolver, so it sees the address that is dialled: a name that answers differently the
//! second time (DNS rebinding) gains nothing.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;

use super::policy::{Door, NamedBy, NetworkPolicy};
use super::{Patience, RegistryError};

/// The outgoing clients.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) policy: Arc<NetworkPolicy>,
    /// What the operator lists goes anywhere, so scheme or no scheme it is one client.
    operator: reqwest::Client,
    user: Pair,
    registry: Pair,
}

/// Clients for the same askers with TLS and without.
#[derive(Debug)]
struct Pair {
    tls: reqwest::Client,
    plain: reqwest::Client,
}

impl Doors {
    pub(super) fn new(policy: NetworkPolicy, patience: &Patience) -> Result<Self, RegistryError> {
        // Fails when a provider is installed already, which is then the one to use.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let policy = Arc::new(policy);
        let client = |named_by, plain| build(&policy, Door { named_by, plain }, patience);
        let pair = |named_by| {
            Ok::<_, RegistryError>(Pair { tls: client(named_by, false)?, plain: client(named_by, true)? })
        };
        Ok(Self {
            operator: client(NamedBy::Operator, false)?,
            user: pair(NamedBy::User)?,
            registry: pair(NamedBy::Registry)?,
            policy: policy.clone(),
        })
    }

    pub(super) fn client(&self, door: Door) -> &reqwest::Client {
        let pair = match door.named_by {
            NamedBy::Operator => return &self.operator,
            NamedBy::User => &self.user,
            NamedBy::Registry => &self.registry,
        };
        if door.plain { &pair.plain } else { &pair.tls }
    }
}

fn build(
    policy: &Arc<NetworkPolicy>,
    door: Door,
    patience: &Patience,
) -> Result<reqwest::Client, RegistryError> {
    let refuse = |why: String| RegistryError::Setup { why };
    let mut roots = Vec::new();
    for pem in &policy.extra_roots {
        let found = reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|e| refuse(format!("an extra certificate authority is not valid PEM: {e}")))?;
        if found.is_empty() {
            return Err(refuse("a file of extra certificate authorities contains no certificate".into()));
        }
        roots.extend(found);
    }
    let builder = || {
        reqwest::Client::builder()
            .dns_resolver(Guarded { policy: policy.clone(), door })
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            // A proxy would dial in our place, where the guard cannot see the address.
            .no_proxy()
            .referer(false)
            .connect_timeout(patience.connect)
            .pool_idle_timeout(std::time::Duration::from_secs(30))
            .user_agent(concat!("platen/", env!("CARGO_PKG_VERSION")))
    };
    match builder().tls_certs_merge(roots.clone()).build() {
        Ok(client) => Ok(client),
        Err(error) => {
            // A bare system has no certificate authorities, and may still talk to registries with its own, or in http.
            tracing::warn!(error = %chain(&error), "the system's certificate authorities could not be loaded");
            builder()
                .tls_certs_only(roots)
                .build()
                .map_err(|e| refuse(format!("TLS cannot be set up: {}", chain(&e))))
        }
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let next = inner.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = inner.source();
    }
    text
}

/// Looks names up and leaves out what may not be dialled.
struct Guarded {
    policy: Arc<NetworkPolicy>,
    door: Door,
}

/// A name of which every address is closed.
#[derive(Debug, thiserror::Error)]
#[error("every address of {0} is closed")]
struct Closed(String);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, door) = (self.policy.clone(), self.door);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let open: Vec<SocketAddr> =
                found.iter().copied().filter(|address| policy.admits(door, address.ip())).collect();
            if open.is_empty() && !found.is_empty() {
                return Err(Closed(name.as_str().to_owned()).into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

/// Whether a request failed because the guard closed the door.
pub(super) fn was_closed(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<Closed>() {
            return true;
        }
        cause = inner.source();
    }
    false
}
