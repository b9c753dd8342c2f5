//! Which addresses are dialled.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use oci::registry::{Dial, NetworkPolicy};
use tokio::net::TcpStream;

use super::url::RemoteUrl;
use crate::BuildError;

/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(15);

/// The policy, and what the user named.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) policy: NetworkPolicy,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) plain: bool,
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// The policy admits none of the addresses.
    Blocked,
    /// There is no such name, or nobody answers.
    Unreachable,
}

impl Guard {
    /// For a session with `url`, where the user named `named`.
    pub(super) fn new(policy: &NetworkPolicy, named: &RemoteUrl, url: &RemoteUrl) -> Self {
        let plain = url.scheme.is_plain();
        Self { policy: policy.clone(), host: named.host.clone(), port: named.port, plain }
    }

    /// The addresses of a host that may be dialled.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Closed> {
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => match tokio::net::lookup_host((host, port)).await {
                Ok(found) => found.collect(),
                Err(_) => return Err(Closed::Unreachable),
            },
        };
        let named = host.eq_ignore_ascii_case(&self.host) && port == self.port;
        let dial = Dial { host, port, named, plain: self.plain };
        let open: Vec<_> =
            found.iter().copied().filter(|at| self.policy.admits_dial(dial, at.ip())).collect();
        match open.is_empty() {
            true if found.is_empty() => Err(Closed::Unreachable),
            true => Err(Closed::Blocked),
            false => Ok(open),
        }
    }

    /// Connects to the first address that may be dialled and answers.
    pub(super) async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, Closed> {
        for address in self.addresses(host, port).await? {
            if let Ok(Ok(stream)) = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                return Ok(stream);
            }
        }
        Err(Closed::Unreachable)
    }

    /// The first address that may be dialled and answers, for a program that is told where to go.
    pub(super) async fn answering(&self, url: &RemoteUrl, patience: Duration) -> Result<IpAddr, BuildError> {
        let dial = tokio::time::timeout(patience, self.dial(&url.host, url.port));
        let stream =
            dial.await.unwrap_or(Err(Closed::Unreachable)).map_err(|closed| closed.error(self.plain))?;
        stream.peer_addr().map(|peer| peer.ip()).map_err(|_| unreachable())
    }
}

impl Closed {
    pub(super) fn error(self, plain: bool) -> BuildError {
        match self {
            Self::Blocked => blocked(plain),
            Self::Unreachable => unreachable(),
        }
    }
}

pub(super) fn blocked(plain: bool) -> BuildError {
    let why = match plain {
        true => "http:// and git:// are only spoken where the operator allows it; use https or ssh",
        false => "it leads to an address that is not public",
    };
    BuildError::permanent(
        "ssrf.blocked",
        format!("The git server is not connected to: {why}, or ask the operator for --allow-network."),
    )
}

pub(super) fn unreachable() -> BuildError {
    BuildError::transient("git.unreachable", "The git server cannot be reached, or does not answer in time.")
}
