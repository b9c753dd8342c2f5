//! References: what repository, in which registry, by which tag or digest.

use std::fmt;

use model::source::Origin;
use oci_spec::distribution::Reference;
use url::Url;

use crate::digest::Digest;

/// Docker Hub's registry.
const HUB: &str = "https://registry-1.docker.io";

/// A target that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The target is no repository with a tag or digest.
    #[error("`{target}` is not a repository with a tag or digest: {why}.")]
    Target {
        /// What was given.
        target: String,
        /// Why it is none.
        why: String,
    },
    /// The registry's address is none.
    #[error(
        "`{0}` is not the address of a registry: it needs a scheme and a host, as in `https://registry.example`."
    )]
    Url(String),
    /// The origin has no registry.
    #[error("A source of origin `{0}` has no target in a registry.")]
    NoRegistry(&'static str),
}

impl ReferenceError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        "reference.invalid"
    }
}

/// A tag or a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// May move.
    Tag(String),
    /// Never moves.
    Digest(Digest),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// A repository in a registry, and which of its manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The registry: scheme, host, port; any path is part of `repository`.
    pub registry: Url,
    /// `library/nginx`.
    pub repository: String,
    /// The tag or digest; a digest wins where both were given.
    pub version: Version,
}

impl Target {
    /// The target of an origin; `target` may be another than the origin's own.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn of(origin: &Origin, target: &str) -> Result<Self, ReferenceError> {
        let url = match origin {
            Origin::DockerHub(_) => HUB,
            Origin::DockerRegistry(d) => &d.url,
            Origin::OciRegistry(d) => &d.url,
            Origin::CycleUpload(_) | Origin::None(_) => {
                return Err(ReferenceError::NoRegistry(origin.kind()));
            }
        };
        Self::parse(url, target, matches!(origin, Origin::DockerHub(_)))
    }

    fn parse(url: &str, target: &str, hub: bool) -> Result<Self, ReferenceError> {
        let mut registry: Url = url.parse().map_err(|_| ReferenceError::Url(url.to_owned()))?;
        let is_http = matches!(registry.scheme(), "http" | "https");
        if !is_http || registry.host_str().is_none_or(str::is_empty) || !registry.username().is_empty() {
            return Err(ReferenceError::Url(url.to_owned()));
        }
        let prefix = registry.path().trim_matches('/').to_owned();
        registry.set_path("/");
        registry.set_query(None);
        registry.set_fragment(None);
        let wrong = |why: &str| ReferenceError::Target { target: target.to_owned(), why: why.to_owned() };
        // A host in the target would be taken for one by the grammar; ours is in the URL.
        let full = if hub { target.to_owned() } else { format!("registry.invalid/{target}") };
        let read: Reference =
            full.parse().map_err(|e: oci_spec::distribution::ParseError| wrong(&e.to_string()))?;
        if hub && !matches!(read.registry(), "docker.io" | "index.docker.io") {
            return Err(wrong("it names another registry than Docker Hub"));
        }
        let repository = match prefix.as_str() {
            "" => read.repository().to_owned(),
            prefix => format!("{prefix}/{}", read.repository()),
        };
        let version = match (read.digest(), read.tag()) {
            (Some(digest), _) => Version::Digest(
                digest.parse().map_err(|e: crate::digest::DigestInvalid| wrong(&e.to_string()))?,
            ),
            (None, tag) => Version::Tag(tag.unwrap_or("latest").to_owned()),
        };
        Ok(Self { registry, repository, version })
    }

    /// The same repository, by digest.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { version: Version::Digest(digest), ..self.clone() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.registry.host_str().unwrap_or_default();
        let separator = if matches!(self.version, Version::Tag(_)) { ':' } else { '@' };
        match self.registry.port() {
            Some(port) => write!(f, "{host}:{port}/")?,
            None if host == "registry-1.docker.io" => f.write_str("docker.io/")?,
            None => write!(f, "{host}/")?,
        }
        write!(f, "{}{separator}{}", self.repository, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hub() {
        for (target, repository, version) in [
            ("nginx", "library/nginx", "latest"),
            ("nginx:1.29", "library/nginx", "1.29"),
            ("a/b:c", "a/b", "c"),
            ("docker.io/a/b", "a/b", "latest"),
        ] {
            let read = Target::parse(HUB, target, true).unwrap();
            assert_eq!((read.repository.as_str(), read.version.to_string().as_str()), (repository, version));
        }
        assert!(Target::parse(HUB, "ghcr.io/a/b", true).is_err());
    }

    #[test]
    fn registries() {
        let digest = Digest::of(b"x");
        let read = Target::parse("http://127.0.0.1:5000/", &format!("a/b:1@{digest}"), false).unwrap();
        assert_eq!(read.version, Version::Digest(digest.clone()));
        assert_eq!(read.to_string(), format!("127.0.0.1:5000/a/b@{digest}"));
        let read = Target::parse("https://r.example/team", "app", false).unwrap();
        assert_eq!(read.to_string(), "r.example/team/app:latest");
    }

    #[test]
    fn what_is_none_is_refused() {
        for target in ["", ":", "A/B", "a b", "a:b:c", "../x", "a@sha256:12", "a//b", "-a", "a:\u{1b}"] {
            assert!(Target::parse("https://r.example", target, false).is_err(), "{target}");
        }
        for url in ["", "r.example", "ftp://r.example", "https://", "https://u:p@r.example"] {
            assert!(Target::parse(url, "a", false).is_err(), "{url}");
        }
    }
}
