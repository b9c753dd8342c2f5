//! Where a repository is: the few forms that are taken, and nothing that a `git` could understand otherwise.

use std::fmt;
use std::net::IpAddr;

use ::url::{Host, Url};
use oci::registry::Dial;

use super::GitDoor;
use crate::BuildError;

/// The longest URL.
const MAX: usize = 2048;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// TLS.
    Https,
    /// Without TLS: where the policy admits it.
    Http,
    /// Secure shell.
    Ssh,
    /// Git's own protocol, in the clear.
    Git,
}

impl Scheme {
    /// Its name in a URL and in git's configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Git => "git",
        }
    }

    /// Whether everybody on the way can read and change it.
    pub(super) fn is_plain(self) -> bool {
        matches!(self, Self::Http | Self::Git)
    }

    fn port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
            Self::Ssh => 22,
            Self::Git => 9418,
        }
    }
}

/// A URL that was checked. It has no credentials, but for the user name of ssh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    pub(super) scheme: Scheme,
    pub(super) user: Option<String>,
    /// A name in lower case, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// With its leading slash, unless it is relative to the home of an ssh user (`user@host:path`).
    pub(super) path: String,
}

/// As git takes it.
impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = bracketed(&self.host);
        let user = self.user.as_deref().map(|user| format!("{user}@")).unwrap_or_default();
        if !self.path.starts_with('/') {
            return write!(f, "{user}{host}:{}", self.path);
        }
        write!(f, "{}://{user}{host}", self.scheme.as_str())?;
        if self.port != self.scheme.port() {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

impl RemoteUrl {
    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The server: a name in lower case, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, named or not.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether both are the same server, spoken to in the same way.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && self.port == other.port
    }

    /// `host` or `host:port`, as in credentials and `known_hosts`, if the port is not the scheme's own.
    pub(super) fn authority(&self) -> String {
        let host = bracketed(&self.host);
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }

    /// The URL that a `.gitmodules` of this repository names: a full one, or one relative to this.
    pub(super) fn join(&self, named: &str) -> Result<Self, BuildError> {
        if !named.starts_with("./") && !named.starts_with("../") {
            return parse(named);
        }
        let (mut path, mut rest) = (self.path.trim_end_matches('/'), named);
        loop {
            if let Some(next) = rest.strip_prefix("./") {
                rest = next;
            } else if let Some(next) = rest.strip_prefix("../") {
                rest = next;
                path = match path.rsplit_once('/') {
                    Some((above, _)) => above,
                    None if !path.is_empty() => "",
                    None => return Err(refused("it leads above the server's root")),
                };
            } else {
                break;
            }
        }
        let absolute = self.path.starts_with('/');
        let path = if path.is_empty() && !absolute { rest.to_owned() } else { format!("{path}/{rest}") };
        parse(&Self { path, ..self.clone() }.to_string())
    }
}

/// Reads the URL of a repository that a user named. Nothing is looked up yet: an address that is written out is held to
/// the policy here, a name when it is dialled.
///
/// # Errors
/// `git.url`, which never repeats what was written, as there may be a password in it; `ssrf.blocked`.
pub fn check_url(url: &str, door: &GitDoor) -> Result<RemoteUrl, BuildError> {
    let url = parse(url)?;
    allowed(&url, door, true)?;
    Ok(url)
}

/// What [`check_url`] holds a URL to, whoever `named` it.
pub(super) fn allowed(url: &RemoteUrl, door: &GitDoor, named: bool) -> Result<(), BuildError> {
    if url.scheme == Scheme::Git && !door.git_protocol {
        return Err(refused("git:// is not spoken here; use https or ssh"));
    }
    let dial = Dial { host: &url.host, port: url.port, named, plain: url.scheme.is_plain() };
    match url.host.parse::<IpAddr>() {
        Ok(ip) if !door.policy.admits_dial(dial, ip) => Err(super::guard::blocked(dial.plain)),
        _ => Ok(()),
    }
}

pub(super) fn refused(why: &str) -> BuildError {
    BuildError::permanent("git.url", format!("The git URL is not taken: {why}."))
}

fn parse(text: &str) -> Result<RemoteUrl, BuildError> {
    let usable = |c: char| !c.is_control() && !c.is_whitespace() && c != '\\';
    if text.len() > MAX || !text.chars().all(usable) {
        return Err(refused("it is too long, or has spaces, control characters or backslashes in it"));
    }
    if text.starts_with('-') {
        return Err(refused("it begins with a dash"));
    }
    if text.contains(['?', '#']) {
        return Err(refused("it has a query or a fragment; name the branch, tag or commit by itself"));
    }
    match text.split_once("://") {
        Some(("https", _)) => web(text, Scheme::Https),
        Some(("http", _)) => web(text, Scheme::Http),
        Some(("ssh", rest)) => other(rest, Scheme::Ssh),
        Some(("git", rest)) => other(rest, Scheme::Git),
        None => short(text),
        Some(_) => Err(forms()),
    }
}

fn forms() -> BuildError {
    refused("it is none of https://…, ssh://user@host/path and user@host:path")
}

fn web(text: &str, scheme: Scheme) -> Result<RemoteUrl, BuildError> {
    let authority = text.split('/').nth(2).unwrap_or_default();
    // The parser forgives any number of slashes before it.
    if authority.is_empty() {
        return Err(refused("it has no host"));
    }
    if authority.contains('@') {
        return Err(refused("it carries credentials, which belong into the credentials of the source"));
    }
    let url = Url::parse(text).map_err(|_| refused("it cannot be read"))?;
    let host = named(url.host().map(|host| host.to_owned()))?;
    let port = url.port_or_known_default().unwrap_or_default();
    let path = path(url.path())?;
    Ok(RemoteUrl { scheme, user: None, host, port, path })
}

/// `user@host:port/path`, after `ssh://` or `git://`.
fn other(rest: &str, scheme: Scheme) -> Result<RemoteUrl, BuildError> {
    let (authority, tail) = rest.split_once('/').ok_or_else(|| refused("it has no path"))?;
    let (login, place) = match authority.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, authority),
    };
    if login.is_some() && scheme == Scheme::Git {
        return Err(refused("it carries credentials"));
    }
    let after_host = place.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match place.get(after_host..).unwrap_or_default().rsplit_once(':') {
        Some((_, port)) => (place.strip_suffix(&format!(":{port}")).unwrap_or_default(), Some(port)),
        None => (place, None),
    };
    let port = match port {
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => port.parse().ok().filter(|port| *port != 0),
        Some(_) => None,
        None => Some(scheme.port()),
    };
    Ok(RemoteUrl {
        scheme,
        user: login.map(user).transpose()?,
        host: named(Host::parse(host).ok())?,
        port: port.ok_or_else(|| refused("its port is not one"))?,
        path: path(&format!("/{tail}"))?,
    })
}

/// `user@host:path`.
fn short(text: &str) -> Result<RemoteUrl, BuildError> {
    let (login, rest) = text.split_once('@').ok_or_else(forms)?;
    let after_host = if rest.starts_with('[') { rest.find(']').map_or(0, |at| at + 1) } else { 0 };
    let colon = rest.get(after_host..).and_then(|rest| rest.find(':')).ok_or_else(forms)? + after_host;
    let (Some(host), Some(tail)) = (rest.get(..colon), rest.get(colon + 1..)) else { return Err(forms()) };
    if tail.starts_with(['-', ':']) || tail.is_empty() {
        return Err(refused("its path begins with a dash or a colon, or is missing"));
    }
    Ok(RemoteUrl {
        scheme: Scheme::Ssh,
        user: Some(user(login)?),
        host: named(Host::parse(host).ok())?,
        port: Scheme::Ssh.port(),
        path: path(tail)?,
    })
}

/// A user name for ssh: nothing that a shell or `ssh` reads as more than a name.
pub(super) fn user(text: &str) -> Result<String, BuildError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+~-".contains(&b);
    if text.contains(':') {
        return Err(refused("it carries credentials, which belong into the credentials of the source"));
    }
    if text.is_empty() || text.starts_with('-') || !text.bytes().all(plain) {
        return Err(refused("its user name is not one"));
    }
    Ok(text.to_owned())
}

fn named(host: Option<Host<String>>) -> Result<String, BuildError> {
    match host {
        Some(Host::Ipv4(ip)) => Ok(ip.to_string()),
        Some(Host::Ipv6(ip)) => Ok(ip.to_string()),
        Some(Host::Domain(name)) if is_name(&name) => Ok(name.to_ascii_lowercase()),
        _ => Err(refused("its host is not one")),
    }
}

fn is_name(host: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !host.is_empty() && !host.starts_with('-') && host.bytes().all(plain)
}

/// Some of git's transports decode a path, and no path has control characters in it.
fn path(text: &str) -> Result<String, BuildError> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        let code = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if code.is_none_or(|code| code.is_ascii_control()) {
            return Err(refused("its path has a percent sign that stands for no printable character"));
        }
        rest = after;
    }
    Ok(text.to_owned())
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests;
