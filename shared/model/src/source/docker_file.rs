//! `docker-file`: code that is built.

use serde::{Deserialize, Serialize};

use crate::Secret;

/// `docker-file`. Without a repository and without an archive's address each image's context is uploaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DockerFile {
    /// The git repository that is the context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<Repo>,
    /// The address of a tar, plain or compressed, that is the context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targz_url: Option<String>,
    /// The directory in it that is built; all of it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_dir: Option<String>,
    /// The Dockerfile, relative to that directory; `Dockerfile` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_file: Option<String>,
    /// The stage to build; the last one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_stage: Option<String>,
    /// The platforms, `os/architecture[/variant]`; the factory's own when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// Credentials for the registries that parents are pulled from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<ParentCredentials>,
    /// What the steps of a build may reach.
    #[serde(default, skip_serializing_if = "BuildNetwork::is_default")]
    pub network: BuildNetwork,
}

/// A git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repo {
    /// Its address: https, ssh, `user@host:path`, or git where the operator allows it.
    pub url: String,
    /// The branch; that of `HEAD` when neither this nor `ref` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A branch, tag or commit; goes before `branch`.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<RepoRef>,
    /// How to authenticate; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<RepoAuth>,
    /// Fetch submodules too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub submodules: bool,
}

/// What to build of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "lowercase")]
pub enum RepoRef {
    /// A branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// A commit, by its whole id.
    Commit(String),
}

/// How to authenticate at a git server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "credentials", rename_all = "lowercase", deny_unknown_fields)]
pub enum RepoAuth {
    /// User name and password; a token is a password.
    Http {
        /// User name; most servers take any with a token.
        #[serde(default)]
        username: String,
        /// Password or token.
        #[serde(default, skip_serializing)]
        password: Option<Secret>,
    },
    /// A key.
    Ssh {
        /// User name, where it is not in the address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        username: Option<String>,
        /// The private key, as `ssh-keygen` writes it.
        #[serde(default, skip_serializing)]
        private_key: Option<Secret>,
        /// What the key is locked with.
        #[serde(default, skip_serializing)]
        passphrase: Option<Secret>,
        /// The host's public keys, as in `known_hosts`; whatever it shows first is believed when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        known_hosts: Option<String>,
    },
}

/// Credentials for a registry that parents are pulled from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParentCredentials {
    /// The registry, with its scheme or without: `https://registry.example`, `docker.io`.
    pub url: String,
    /// User name.
    pub username: String,
    /// Token or password.
    #[serde(default, skip_serializing)]
    pub token: Option<Secret>,
}

/// What the steps of a build may reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildNetwork {
    /// Public addresses, and what the operator allows.
    #[default]
    Public,
    /// Nothing.
    None,
}

impl BuildNetwork {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl DockerFile {
    /// Is the context of each image uploaded?
    pub fn is_uploaded(&self) -> bool {
        self.repo.is_none() && self.targz_url.is_none()
    }

    /// Where its secrets are, each with the name of its field.
    pub(super) fn slots(&mut self) -> Vec<(String, &mut Option<Secret>)> {
        let mut slots: Vec<(String, &mut Option<Secret>)> = Vec::new();
        match self.repo.as_mut().and_then(|repo| repo.auth.as_mut()) {
            Some(RepoAuth::Http { password, .. }) => slots.push(("repo.password".to_owned(), password)),
            Some(RepoAuth::Ssh { private_key, passphrase, .. }) => {
                slots.push(("repo.private_key".to_owned(), private_key));
                slots.push(("repo.passphrase".to_owned(), passphrase));
            }
            None => {}
        }
        for (place, one) in self.credentials.iter_mut().enumerate() {
            slots.push((format!("credentials.{place}.token"), &mut one.token));
        }
        slots
    }
}

impl ParentCredentials {
    /// The scheme, where there is one, and the registry, `host[:port]`.
    pub fn host(&self) -> (Option<&str>, &str) {
        let (scheme, rest) = match self.url.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, self.url.as_str()),
        };
        let host = rest.split('/').next().unwrap_or(rest);
        // The names that Docker Hub goes by.
        match host {
            "index.docker.io" | "registry-1.docker.io" => (None, "docker.io"),
            host => (scheme, host),
        }
    }
}
