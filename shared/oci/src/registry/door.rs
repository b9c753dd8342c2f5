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

/// Whether what came back could not be read as HTTP: no header ended, too many headers, lengths that contradict each
/// other, another protocol.
pub(super) fn is_no_http(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// Looks names up and leaves out what may not be dialled.
#[derive(Clone)]
struct Guarded {
    policy: Arc<NetworkPolicy>,
    door: Door,
}

impl Guarded {
    /// The addresses that may be dialled, of those a name has.
    fn open(&self, name: &str, found: &[SocketAddr]) -> Result<Vec<SocketAddr>, Closed> {
        let open: Vec<SocketAddr> =
            found.iter().copied().filter(|address| self.policy.admits(self.door, address.ip())).collect();
        if open.is_empty() && !found.is_empty() { Err(Closed(name.to_owned())) } else { Ok(open) }
    }
}

/// A name of which every address is closed.
#[derive(Debug, thiserror::Error)]
#[error("every address of {0} is closed")]
struct Closed(String);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(guard.open(name.as_str(), &found)?.into_iter()) as Addrs)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::HostPort;

    fn open(policy: NetworkPolicy, named_by: NamedBy, plain: bool, found: &[&str]) -> Option<Vec<String>> {
        let guard = Guarded { policy: Arc::new(policy), door: Door { named_by, plain } };
        let found: Vec<SocketAddr> = found.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
        Some(guard.open("a.example", &found).ok()?.iter().map(|a| a.ip().to_string()).collect())
    }

    #[test]
    fn a_name_leads_nowhere_that_is_not_public() {
        for ip in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "127.0.0.1",
            "0.0.0.0",
            "::",
            "::1",
            "fd00::8",
            "fe80::1",
            "::ffff:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "64:ff9b:1::10.1.2.3",
        ] {
            for named_by in [NamedBy::User, NamedBy::Registry] {
                assert_eq!(open(NetworkPolicy::default(), named_by, false, &[ip]), None, "{ip}");
            }
            assert_eq!(open(NetworkPolicy::embedded(), NamedBy::Registry, false, &[ip]), None, "{ip}");
        }
    }

    #[test]
    fn of_several_addresses_the_closed_ones_are_left_out() {
        let found = ["10.0.0.1", "1.1.1.1", "127.0.0.1"];
        let policy = NetworkPolicy::default;
        assert_eq!(open(policy(), NamedBy::User, false, &found).unwrap(), ["1.1.1.1"]);
        assert_eq!(open(policy(), NamedBy::User, true, &found), None);
        let ours = NetworkPolicy { networks: vec!["10.0.0.0/8".parse().unwrap()], ..policy() };
        assert_eq!(open(ours, NamedBy::Registry, true, &found).unwrap(), ["10.0.0.1"]);
        assert_eq!(open(NetworkPolicy::embedded(), NamedBy::User, true, &found).unwrap(), ["127.0.0.1"]);
        assert_eq!(open(policy(), NamedBy::User, false, &[]).unwrap(), [""; 0]);
    }

    #[test]
    fn what_the_operator_lists_may_lead_anywhere() {
        let hosts: Vec<HostPort> = vec!["a.example:5000".parse().unwrap()];
        let policy = NetworkPolicy { hosts, ..NetworkPolicy::default() };
        let named = |url: &str| url.parse::<url::Url>().unwrap();
        let door = |url: &str| policy.approach(&named(url), &named("https://b.example/")).unwrap().named_by;
        assert_eq!(door("https://a.example:5000/"), NamedBy::Operator);
        assert_eq!(door("https://a.example/"), NamedBy::Registry);
        assert!(open(policy.clone(), NamedBy::Operator, true, &["10.0.0.1"]).is_some());
    }
}
