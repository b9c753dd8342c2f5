//! Where the factory may connect to: decided where the connection is made, after the name is resolved.
//!
//! Anything a tenant can name could otherwise reach into the operator's network: a registry, a token realm, a
//! redirect, a name that resolves to a private address. Public addresses are free; others must be allowed. What a
//! registry itself names (a realm, a redirect) is trusted less than what the user named: it may go to a private
//! address only if that is the registry's own, or the operator listed it.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// A setting that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not a network or host.
    #[error("`{0}` is neither a network (`10.0.0.0/8`) nor a host (`registry.lan`, `registry.lan:5000`)")]
    Network(String),
    /// Not a certificate.
    #[error("a certificate authority cannot be used")]
    Certificate(#[source] reqwest::Error),
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    Network(IpAddr, u8),
    Host(String, Option<u16>),
}

impl FromStr for Allowed {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let wrong = || PolicyError::Network(text.to_owned());
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| wrong())?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?;
            return Ok(Self::Network(address, bits));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') => (host, Some(port.parse().map_err(|_| wrong())?)),
            _ => (text, None),
        };
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return Err(wrong());
        }
        Ok(Self::Host(host.to_ascii_lowercase(), port))
    }
}

/// Where the factory may connect to, beyond public addresses over TLS.
#[derive(Debug, Clone, Default)]
pub struct NetworkPolicy {
    allowed: Vec<Allowed>,
    loopback: bool,
    authorities: Vec<Vec<u8>>,
}

impl NetworkPolicy {
    /// Allows these networks and hosts, also over plain http.
    ///
    /// # Errors
    /// When one is neither.
    pub fn allow<S: AsRef<str>>(mut self, entries: &[S]) -> Result<Self, PolicyError> {
        for entry in entries {
            self.allowed.push(entry.as_ref().trim().parse()?);
        }
        Ok(self)
    }

    /// Allows a user to name registries on 127.0.0.0/8 and `::1`, as docker does.
    #[must_use]
    pub fn allow_loopback(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// Trusts certificates signed by these authorities too (PEM, one or more).
    #[must_use]
    pub fn trust(mut self, pem: Vec<u8>) -> Self {
        self.authorities.push(pem);
        self
    }

    fn lists(&self, host: &str, port: u16, address: Option<IpAddr>) -> bool {
        self.allowed.iter().any(|allowed| match allowed {
            Allowed::Network(network, bits) => address.is_some_and(|a| within(a, *network, *bits)),
            Allowed::Host(name, only) => name == host && only.is_none_or(|only| only == port),
        })
    }
}

fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let shift = width - u32::from(bits);
        a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
    };
    match (plain(address), network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => same(u32::from(a).into(), u32::from(n).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => same(a.into(), n.into(), 128),
        _ => false,
    }
}

/// An IPv4 address may hide in an IPv6 one.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Addresses that are somebody's own: never dialled unless allowed (IANA special-purpose registries).
fn is_private(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(a) => {
            let [first, second, third, _] = a.octets();
            a.is_private()
                || a.is_loopback()
                || a.is_link_local()
                || a.is_unspecified()
                || a.is_broadcast()
                || a.is_multicast()
                || a.is_documentation()
                || first == 0
                || first >= 240
                || (first == 100 && (64..128).contains(&second))
                || (first == 192 && second == 0 && third == 0)
                || (first == 198 && (18..20).contains(&second))
        }
        IpAddr::V6(a) => {
            let [first, second, ..] = a.segments();
            a.is_loopback()
                || a.is_unspecified()
                || a.is_multicast()
                || (first & 0xfe00) == 0xfc00
                || (first & 0xffc0) == 0xfe80
                || (first & 0xffc0) == 0xfec0
                || (first == 0x2001 && second == 0xdb8)
                // Both carry an IPv4 address that a gateway would dial: NAT64 and 6to4.
                || (first == 0x64 && second == 0xff9b)
                || first == 0x2002
        }
    }
}

/// Who named an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// The user: the registry itself.
    ByUser,
    /// The registry: a realm or a redirect.
    ByRegistry,
}

/// The clients that keep to a policy.
#[derive(Debug)]
pub(super) struct Guard {
    policy: Arc<NetworkPolicy>,
    by_user: reqwest::Client,
    by_registry: reqwest::Client,
}

impl Guard {
    pub(super) fn new(policy: NetworkPolicy) -> Result<Self, PolicyError> {
        let policy = Arc::new(policy);
        Ok(Self {
            by_user: client(&policy, Named::ByUser)?,
            by_registry: client(&policy, Named::ByRegistry)?,
            policy,
        })
    }

    /// The client for a URL, if it may be asked at all. Names are checked once more when they are resolved.
    pub(super) fn client(&self, url: &Url, named: Named) -> Result<&reqwest::Client, String> {
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        let port = url.port_or_known_default().unwrap_or(0);
        let literal = match url.host() {
            Some(Host::Ipv4(a)) => Some(IpAddr::V4(a)),
            Some(Host::Ipv6(a)) => Some(IpAddr::V6(a)),
            _ => None,
        };
        let listed = self.policy.lists(&host, port, literal);
        let local = self.policy.loopback
            && named == Named::ByUser
            && (literal.is_some_and(|a| plain(a).is_loopback()) || host == "localhost");
        let open = match literal {
            Some(address) => !is_private(address) || listed || local,
            None => true,
        };
        let encrypted = url.scheme() == "https" || (url.scheme() == "http" && (listed || local));
        if !open || !encrypted {
            return Err(format!("{}://{host}:{port}", url.scheme()));
        }
        Ok(if named == Named::ByUser { &self.by_user } else { &self.by_registry })
    }
}

fn client(policy: &Arc<NetworkPolicy>, named: Named) -> Result<reqwest::Client, PolicyError> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("platen/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(Names { policy: Arc::clone(policy), named }));
    for pem in &policy.authorities {
        let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(PolicyError::Certificate)?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(PolicyError::Client)
}

/// Resolves names, and leaves out addresses that may not be dialled.
struct Names {
    policy: Arc<NetworkPolicy>,
    named: Named,
}

/// Said in the error when every address of a name was left out.
pub(super) const LEFT_OUT: &str = "the name leads to an address that may not be connected to";

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, named, host) =
            (Arc::clone(&self.policy), self.named, name.as_str().to_ascii_lowercase());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let open: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| {
                    let ip = address.ip();
                    let local = policy.loopback && named == Named::ByUser && plain(ip).is_loopback();
                    // The port is not known here; a host listed with a port was checked with its URL.
                    let listed = policy.lists(&host, 0, Some(ip)) || policy.names(&host);
                    !is_private(ip) || local || listed
                })
                .collect();
            if open.is_empty() {
                return Err(LEFT_OUT.into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

impl NetworkPolicy {
    fn names(&self, host: &str) -> bool {
        self.allowed.iter().any(|allowed| matches!(allowed, Allowed::Host(name, _) if name == host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(policy: &NetworkPolicy, url: &str, named: Named) -> bool {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Guard::new(policy.clone()).unwrap().client(&url.parse().unwrap(), named).is_ok()
    }

    #[test]
    fn private_addresses_are_refused_unless_allowed() {
        let strict = NetworkPolicy::default();
        for url in [
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://169.254.169.254/",
            "https://[::1]/",
            "https://0.0.0.0/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]/",
            "https://[64:ff9b::a00:1]/",
            "https://100.64.0.1/",
            "http://registry.example/",
            "https://192.168.0.1:8443/",
            "http://8.8.8.8/",
        ] {
            assert!(!may(&strict, url, Named::ByUser), "{url}");
        }
        assert!(may(&strict, "https://registry.example/", Named::ByUser));
        assert!(may(&strict, "https://8.8.8.8/", Named::ByUser));
        let open = strict.allow(&["10.0.0.0/8", "registry.lan:5000"]).unwrap();
        assert!(may(&open, "http://10.1.2.3:5000/", Named::ByRegistry));
        assert!(may(&open, "http://registry.lan:5000/", Named::ByUser));
        assert!(!may(&open, "http://registry.lan:5001/", Named::ByUser));
        assert!(!may(&open, "http://11.1.2.3/", Named::ByUser));
    }

    #[test]
    fn loopback_is_for_what_the_user_named() {
        let local = NetworkPolicy::default().allow_loopback();
        assert!(may(&local, "http://127.0.0.1:5000/", Named::ByUser));
        assert!(may(&local, "http://localhost:5000/", Named::ByUser));
        assert!(!may(&local, "http://127.0.0.1:5432/", Named::ByRegistry));
        assert!(!may(&local, "http://10.0.0.1/", Named::ByUser));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for wrong in ["10.0.0.0/33", "x/8", "", "host:port", "a b"] {
            assert!(NetworkPolicy::default().allow(&[wrong]).is_err(), "{wrong}");
        }
    }
}
