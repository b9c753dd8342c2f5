//! Where a reference leads: the base url of a registry, a repository in it, and what is wanted of that.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::{DOCKER_HUB, Reference, ReferenceError, TagOrDigest};

const DOCKER_HUB_URL: &str = "https://registry-1.docker.io/";

/// An image in a registry, ready to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    base: Url,
    repository: String,
    wanted: TagOrDigest,
    shown: String,
}

impl Target {
    /// A target on Docker Hub (origin `docker-hub`): `nginx`, `library/nginx:1`, also `docker.io/library/nginx`.
    ///
    /// # Errors
    /// `reference.invalid`, also when it names another registry.
    pub fn docker_hub(target: &str) -> Result<Self, ReferenceError> {
        let reference: Reference = target.parse()?;
        if reference.registry() != DOCKER_HUB {
            let why = format!("it leads to {}, not to Docker Hub", reference.registry());
            return Err(ReferenceError::new(target, &why));
        }
        Self::of(&reference)
    }

    /// A target in the registry at `url` (origins `docker-registry`, `oci-registry`).
    ///
    /// `url` carries its scheme and may have a path prefix, below which `/v2/` lies. `target` is
    /// `name[:tag][@digest]`; repeating the url's host in front of it does no harm.
    ///
    /// # Errors
    /// `reference.invalid` when either part is malformed.
    pub fn at(url: &str, target: &str) -> Result<Self, ReferenceError> {
        let base = base_url(url)?;
        let authority = authority(&base);
        let name =
            target.strip_prefix(authority.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(target);
        if name.is_empty() {
            return Err(ReferenceError::new(target, "the name of the repository is missing"));
        }
        // A host in front keeps the parser from taking the first component for one, or for Docker Hub's shorthand.
        let reference: Reference = format!("registry.invalid/{name}").parse().map_err(|e| match e {
            ReferenceError::Invalid { why, .. } => ReferenceError::new(target, &why),
            other => other,
        })?;
        let shown = reference.to_string().replacen("registry.invalid", &authority, 1);
        Ok(Self { base, repository: reference.repository().into(), wanted: reference.wanted(), shown })
    }

    /// Where a full reference leads. Hosts on this machine are spoken to in plain http, as docker does.
    ///
    /// # Errors
    /// `reference.invalid` when the host is not one.
    pub fn of(reference: &Reference) -> Result<Self, ReferenceError> {
        let base = match reference.registry() {
            DOCKER_HUB => base_url(DOCKER_HUB_URL)?,
            host => {
                let base = base_url(&format!("https://{host}"))?;
                if is_this_machine(&base) { base_url(&format!("http://{host}"))? } else { base }
            }
        };
        Ok(Self {
            base,
            repository: reference.repository().into(),
            wanted: reference.wanted(),
            shown: reference.to_string(),
        })
    }

    /// The registry's url, ending in a slash; `v2/` lies below it.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The repository, such as `library/nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag or digest to ask for.
    pub fn wanted(&self) -> &TagOrDigest {
        &self.wanted
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// A registry's url in one form: no user, query or fragment, no API version, a slash at the end.
fn base_url(text: &str) -> Result<Url, ReferenceError> {
    // A password written into the url must not come back in the message about it.
    let refuse = |why: &str| {
        let shown = match text.rsplit_once('@') {
            Some((_, host)) => format!("…@{host}"),
            None => text.to_owned(),
        };
        ReferenceError::new(&shown, why)
    };
    let mut url = Url::parse(text).map_err(|e| refuse(&format!("as a url: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(refuse("a registry's url begins with https:// or http:// and a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("credentials belong into the source's username and password, not into the url"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("a registry's url has no query and no fragment"));
    }
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/v2").or_else(|| path.strip_suffix("/v1")).unwrap_or(path);
    let path = format!("{}/", path.trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    }
}
