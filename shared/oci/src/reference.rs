//! References: what people write to name an image, and the place it stands for.
//!
//! The grammar is that of docker and of the OCI distribution specification, by [`oci_spec`]; the rules about where
//! a reference leads ([`Target`]) are ours.

mod target;

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, DigestError, printable};
pub use target::Target;

/// The host name people write for Docker Hub; its registry answers elsewhere.
pub const DOCKER_HUB: &str = "docker.io";

/// What of a repository is meant: a tag that may move, or content that cannot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TagOrDigest {
    /// A tag, at most 128 characters.
    Tag(String),
    /// The digest of a manifest or index.
    Digest(Digest),
}

impl fmt::Display for TagOrDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl From<Digest> for TagOrDigest {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

/// A full image reference: `nginx`, `ghcr.io/a/b:1`, `host:5000/a@sha256:…`.
///
/// As docker does: no host means Docker Hub, one name there means `library/<name>`, no tag means `latest`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry's host, with its port if one was given; `docker.io` for Docker Hub.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository, such as `library/nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, `latest` where neither tag nor digest was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if the reference is pinned.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What to ask the registry for: the digest where there is one, since the tag beside it may have moved.
    pub fn wanted(&self) -> TagOrDigest {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => TagOrDigest::Digest(digest.clone()),
            (None, Some(tag)) => TagOrDigest::Tag(tag.clone()),
            (None, None) => TagOrDigest::Tag("latest".into()),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        use oci_spec::distribution::ParseError;
        let refuse = |why: &str| ReferenceError::new(text, why);
        // Bounds the work of the parser: 255 for the name, 128 for the tag, 136 for a digest, and the host.
        if text.len() > 1024 {
            return Err(refuse("it is longer than 1,024 bytes"));
        }
        let parsed = oci_spec::distribution::Reference::try_from(text).map_err(|e| match e {
            ParseError::NameEmpty => refuse("it is empty"),
            ParseError::NameTooLong => refuse("the repository name is longer than 255 characters"),
            ParseError::DigestInvalidFormat
            | ParseError::DigestInvalidLength
            | ParseError::DigestUnsupported => refuse("the digest must be sha256 or sha512 in full length"),
            _ if text
                .split(['@', ':'])
                .next()
                .is_some_and(|n| n.contains(|c: char| c.is_ascii_uppercase())) =>
            {
                refuse("repository names are in lower case")
            }
            _ => refuse("expected [host[:port]/]name[:tag][@digest]"),
        })?;
        // The parser takes a first name in upper case for one of Docker Hub's, where there are none.
        if parsed.repository().contains(|c: char| c.is_ascii_uppercase()) {
            return Err(refuse("repository names are in lower case"));
        }
        let digest = parsed.digest().map(str::parse::<Digest>).transpose()?;
        let registry = parsed.registry().to_ascii_lowercase();
        if registry != parsed.registry() {
            // Hosts have no case, but the parser knows Docker Hub only in lower case.
            let (tag, digest) = (parsed.tag().map(|t| format!(":{t}")), digest.map(|d| format!("@{d}")));
            let (tag, digest) = (tag.unwrap_or_default(), digest.unwrap_or_default());
            return format!("{registry}/{}{tag}{digest}", parsed.repository()).parse();
        }
        Ok(Self {
            registry,
            repository: parsed.repository().to_owned(),
            tag: parsed.tag().map(str::to_owned),
            digest,
        })
    }
}

/// A reference or a registry's url that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Not of the form a reference or url must have. Code `reference.invalid`.
    #[error("“{text}” is not an image reference: {why}")]
    Invalid {
        /// What was written, shortened and without control characters.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The digest in it is malformed. Code `digest.invalid`.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl ReferenceError {
    fn new(text: &str, why: &str) -> Self {
        Self::Invalid { text: printable(text, 120), why: why.to_owned() }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "reference.invalid",
            Self::Digest(e) => e.code(),
        }
    }

    /// Always true: what is written stays written.
    pub fn is_permanent(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
