//! Repositories as image sources name them.

use model::source::{Repo, RepoAuth, RepoRef};

use super::{GitAuth, GitRef, GitRepo};

impl From<&Repo> for GitRepo {
    /// The repository with what lets in, where the secrets of the source are opened.
    fn from(repo: &Repo) -> Self {
        let secret = |secret: &model::Secret| secret.expose().to_owned().into();
        let auth = match &repo.auth {
            Some(RepoAuth::Http { username, password: Some(password) }) => {
                GitAuth::Http { username: username.clone(), password: secret(password) }
            }
            Some(RepoAuth::Ssh { username, private_key: Some(key), passphrase, known_hosts }) => {
                GitAuth::Ssh {
                    username: username.clone(),
                    key: secret(key),
                    passphrase: passphrase.as_ref().map(secret),
                    known_hosts: known_hosts.clone(),
                }
            }
            _ => GitAuth::None,
        };
        Self { url: repo.url.clone(), auth }
    }
}

impl From<&Repo> for GitRef {
    fn from(repo: &Repo) -> Self {
        match (&repo.reference, &repo.branch) {
            (Some(RepoRef::Branch(name)), _) => Self::Branch(name.clone()),
            (Some(RepoRef::Tag(name)), _) => Self::Tag(name.clone()),
            (Some(RepoRef::Commit(id)), _) => Self::Commit(id.clone()),
            (None, Some(branch)) => Self::Branch(branch.clone()),
            (None, None) => Self::Default,
        }
    }
}
