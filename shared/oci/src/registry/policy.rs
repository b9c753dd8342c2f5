//! What the operator lets the outgoing client connect to.
//!
//! Public addresses over https are always open. Everything else needs a word: a network, a host, or, for a factory
//! that runs on the user's own machine, the loopback. Who names an address matters too: a registry on
//! `127.0.0.1:5000` that the user named may be reached, while that registry's wish that we ask `127.0.0.1:5432`
//! for a token may not.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

use super::RegistryError;
use super::address::is_public;

/// Rules about outgoing connections.
#[derive(Debug, Clone, Default)]
pub struct NetworkPolicy {
    /// Networks that may be reached, also in plain http, whoever names them: the operator's `--allow-network`.
    pub networks: Vec<IpNet>,
    /// Networks that may be reached, also in plain http, at a host and port the *user* named.
    pub networks_if_named: Vec<IpNet>,
    /// Hosts that may be reached, also in plain http, wherever their name leads.
    pub hosts: Vec<HostPort>,
    /// Certificates (PEM, any number in each) trusted beside the system's.
    pub extra_roots: Vec<Vec<u8>>,
}

impl NetworkPolicy {
    /// For a factory on the user's own machine: registries on the loopback that the user named.
    pub fn embedded() -> Self {
        let loopback = [
            IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::new(127, 0, 0, 0), 8)),
            IpNet::V6(Ipv6Net::new_assert(std::net::Ipv6Addr::LOCALHOST, 128)),
        ];
        Self { networks_if_named: loopback.into(), ..Self::default() }
    }

    /// Whether connecting to `ip` is allowed to those who come through `door`.
    pub(super) fn admits(&self, door: Door, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let open = !door.plain && is_public(ip);
        let any = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&ip));
        match door.named_by {
            NamedBy::Operator => true,
            NamedBy::User => open || any(&self.networks) || any(&self.networks_if_named),
            NamedBy::Registry => open || any(&self.networks),
        }
    }

    /// Whether something that makes its own connections, as git does, may make this one to `ip`, which is one of the
    /// addresses of the host.
    pub fn admits_dial(&self, dial: Dial<'_>, ip: IpAddr) -> bool {
        let host = match dial.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => Some(Host::Ipv4(ip)),
            Ok(IpAddr::V6(ip)) => Some(Host::Ipv6(ip)),
            Err(_) => Host::parse(dial.host).ok(),
        };
        let Some(host) = host else { return false };
        let named_by = if self.hosts.iter().any(|listed| listed.is(&host, Some(dial.port))) {
            NamedBy::Operator
        } else if dial.named {
            NamedBy::User
        } else {
            NamedBy::Registry
        };
        self.admits(Door { named_by, plain: dial.plain }, ip)
    }

    /// Decides how `url` may be approached, before any name is looked up. `named` is what the user named.
    ///
    /// # Errors
    /// `ssrf.blocked`.
    pub(super) fn approach(&self, url: &Url, named: &Url) -> Result<Door, RegistryError> {
        let blocked = |why: &str| RegistryError::blocked(url, why);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(blocked("only http and https are spoken"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(blocked("it carries credentials"));
        }
        if named.scheme() == "https" && url.scheme() == "http" {
            return Err(blocked("it leads from https to plain http"));
        }
        let Some(host) = url.host() else { return Err(blocked("it has no host")) };
        let named_by = if self.hosts.iter().any(|listed| listed.matches(url)) {
            NamedBy::Operator
        } else if url.origin() == named.origin() {
            NamedBy::User
        } else {
            NamedBy::Registry
        };
        let door = Door { named_by, plain: url.scheme() == "http" };
        let literal = match host {
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
            Host::Domain(_) => None,
        };
        if let Some(ip) = literal
            && !self.admits(door, ip)
        {
            return Err(blocked(door.closed()));
        }
        Ok(door)
    }
}

/// A connection that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dial<'a> {
    /// A name, or an address without brackets.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// Whether the user named this very host and port, and not what answered there.
    pub named: bool,
    /// Whether it is not encrypted.
    pub plain: bool,
}

/// How an address came to us, which decides how far it may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Door {
    pub(super) named_by: NamedBy,
    /// Without TLS, which public addresses are not spoken to.
    pub(super) plain: bool,
}

/// Who named a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamedBy {
    /// The operator lists it.
    Operator,
    /// The user named this very scheme, host and port.
    User,
    /// A registry gave it: a realm, a redirect.
    Registry,
}

impl Door {
    /// Why it is closed to an address.
    pub(super) fn closed(self) -> &'static str {
        match self.plain {
            true => {
                "plain http is only spoken where the operator allows it; use https, or ask for --allow-network"
            }
            false => "it leads to an address that is not public; ask the operator for --allow-network",
        }
    }
}

/// A host the operator trusts, on one port or on all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    host: Host,
    port: Option<u16>,
}

impl HostPort {
    fn matches(&self, url: &Url) -> bool {
        url.host().is_some_and(|host| self.is(&host.to_owned(), url.port_or_known_default()))
    }

    fn is(&self, host: &Host, port: Option<u16>) -> bool {
        *host == self.host && (self.port.is_none() || self.port == port)
    }
}

impl FromStr for HostPort {
    type Err = String;

    /// Reads `host`, `host:port`, `[::1]:port`.
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("“{}” is not host or host:port", crate::digest::printable(text, 80));
        if text.contains(['/', '@', '?', '#']) {
            return Err(refuse());
        }
        let url = Url::parse(&format!("ws://{text}")).map_err(|_| refuse())?;
        let host = url.host().map(|h| h.to_owned()).ok_or_else(refuse)?;
        // `Url` drops a port that is the scheme's own, here 80.
        let port = url.port().or(text.ends_with(":80").then_some(80));
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approach(policy: &NetworkPolicy, url: &str, named: &str) -> bool {
        policy.approach(&url.parse().unwrap(), &named.parse().unwrap()).is_ok()
    }

    #[test]
    fn a_user_may_name_the_loopback_and_a_registry_may_not() {
        let policy = NetworkPolicy::embedded();
        let named = "http://127.0.0.1:5000/";
        assert!(approach(&policy, "http://127.0.0.1:5000/token", named));
        for url in [
            "http://127.0.0.1:5432/",
            "http://127.0.0.2:5000/",
            "http://169.254.169.254/latest",
            "http://10.0.0.1/",
            "http://[::ffff:127.0.0.1]:5432/",
            "http://2130706433:5432/",
            "file:///etc/passwd",
            "http://u:p@127.0.0.1:5000/",
        ] {
            assert!(!approach(&policy, url, named), "{url}");
        }
        assert!(!approach(&NetworkPolicy::default(), named, named));
    }

    #[test]
    fn plain_http_needs_a_word() {
        for (policy, open) in [
            (NetworkPolicy::default(), false),
            (NetworkPolicy::embedded(), false),
            (NetworkPolicy { networks: vec!["8.8.8.0/24".parse().unwrap()], ..Default::default() }, true),
            (NetworkPolicy { hosts: vec!["8.8.8.8".parse().unwrap()], ..Default::default() }, true),
        ] {
            assert_eq!(approach(&policy, "http://8.8.8.8/", "http://8.8.8.8/"), open);
            assert!(approach(&policy, "https://8.8.8.8/", "https://8.8.8.8/"));
            // A name is not looked up yet; its addresses meet the same door when they are dialled.
            let named = "http://registry.example/".parse().unwrap();
            let door = policy.approach(&named, &named).unwrap();
            assert!(door.plain && !policy.admits(door, "1.1.1.1".parse().unwrap()));
        }
    }

    #[test]
    fn a_dial_keeps_to_what_was_named() {
        let embedded = NetworkPolicy::embedded();
        let hosts = vec!["git.internal:22".parse().unwrap(), "[fd00::1]:22".parse().unwrap()];
        let listed = NetworkPolicy { hosts, ..Default::default() };
        for (policy, host, port, named, plain, ip, open) in [
            (&embedded, "127.0.0.1", 3000, true, true, "127.0.0.1", true),
            // Where the first one leads.
            (&embedded, "127.0.0.1", 5432, false, true, "127.0.0.1", false),
            (&embedded, "localhost", 3000, true, true, "::1", true),
            (&embedded, "a.example", 443, true, false, "10.0.0.1", false),
            (&embedded, "a.example", 443, false, false, "1.1.1.1", true),
            (&embedded, "a.example", 80, true, true, "1.1.1.1", false),
            (&embedded, "a.example", 443, true, false, "::ffff:169.254.169.254", false),
            (&listed, "git.internal", 22, false, false, "10.0.0.1", true),
            (&listed, "GIT.internal", 22, false, true, "10.0.0.1", true),
            (&listed, "git.internal", 23, true, false, "10.0.0.1", false),
            (&listed, "fd00::1", 22, false, false, "fd00::1", true),
            (&listed, "127.0.0.1", 22, true, false, "127.0.0.1", false),
            (&listed, "not a host", 22, true, false, "1.1.1.1", false),
        ] {
            let dial = Dial { host, port, named, plain };
            assert_eq!(policy.admits_dial(dial, ip.parse().unwrap()), open, "{dial:?} {ip}");
        }
    }

    #[test]
    fn https_never_leads_to_http() {
        let policy = NetworkPolicy { networks: vec!["127.0.0.0/8".parse().unwrap()], ..Default::default() };
        assert!(!approach(&policy, "http://127.0.0.1/", "https://registry.example/"));
        assert!(approach(&policy, "https://127.0.0.1/", "https://registry.example/"));
    }

    #[test]
    fn listed_hosts_are_open_on_their_port() {
        let hosts = ["10.1.1.1:5000", "registry.internal", "[::1]:80"].map(|h| h.parse().unwrap());
        let policy = NetworkPolicy { hosts: hosts.into(), ..Default::default() };
        let named = "http://10.1.1.1:5000/";
        assert!(approach(&policy, named, named));
        assert!(approach(&policy, "http://[::1]/", named));
        assert!(approach(&policy, "http://registry.internal:8080/", named));
        assert!(!approach(&policy, "http://10.1.1.1:5001/", named));
        assert!(!approach(&policy, "http://[::1]:81/", named));
        for text in ["", "a/b", "u@h", "h:99999"] {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
    }
}
