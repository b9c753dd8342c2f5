//! A build context from a git repository.
//!
//! `git` itself does the work, fenced in: it sees an empty environment and configuration of ours, it reaches only
//! addresses the [`NetworkPolicy`] admits (`socks` for http, `guard` for the rest), it ends with whoever waits for it,
//! and what it writes is bounded. Credentials lie in files only we can read, for one call, and go to the server they are
//! meant for and to no other.
//!
//! First [`pin`] turns a branch or tag into a commit, so that every later try builds the same; then [`checkout`] gets
//! the files of that commit, and nothing but them: no `.git` is left.

use std::fmt;
use std::time::Duration;

use oci::registry::NetworkPolicy;
use secrecy::SecretString;

mod checkout;
mod fail;
mod guard;
mod home;
mod mask;
mod pin;
mod reference;
mod run;
mod session;
mod socks;
mod source;
mod ssh;
mod submodule;
mod tree;
mod url;

pub use checkout::checkout;
pub use pin::pin;
pub use reference::check_ref;
pub use url::{RemoteUrl, Scheme, check_url};

/// A repository, and how to be let in.
#[derive(Clone)]
pub struct GitRepo {
    /// As the user wrote it; see [`check_url`].
    pub url: String,
    /// The credentials.
    pub auth: GitAuth,
}

/// Somebody may have written a password into the URL, so only its length is told.
impl fmt::Debug for GitRepo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = format_args!("{} bytes", self.url.len());
        f.debug_struct("GitRepo").field("url", &url).field("auth", &self.auth).finish()
    }
}

/// Credentials for a git server.
#[derive(Clone)]
pub enum GitAuth {
    /// Nothing: a public repository.
    None,
    /// For `https://` and `http://`.
    Http {
        /// The user, or what the server wants beside a token (`x-access-token`, `oauth2`).
        username: String,
        /// The password or token.
        password: SecretString,
    },
    /// For `ssh://` and `user@host:path`.
    Ssh {
        /// Where the URL names no user; `git` when this does not either.
        username: Option<String>,
        /// A private key, PEM or OpenSSH.
        key: SecretString,
        /// What opens the key.
        passphrase: Option<SecretString>,
        /// Lines of a `known_hosts` file, or of the server's public keys alone. Without it whatever key the server shows
        /// is taken.
        known_hosts: Option<String>,
    },
}

/// User names are left out too: a token may stand there.
impl fmt::Debug for GitAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Http { .. } => "Http(…)",
            Self::Ssh { .. } => "Ssh(…)",
        })
    }
}

/// What of a repository is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitRef {
    /// The head of the branch the server calls its own.
    Default,
    /// The head of a branch.
    Branch(String),
    /// A tag, annotated or not.
    Tag(String),
    /// A commit, in full: 40 hex digits, or 64 in a SHA-256 repository.
    Commit(String),
}

/// A commit that stays what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Its full id, in lower case.
    pub commit: String,
    /// Where it was found (`refs/heads/main`), for servers that give no commit by its id.
    pub fetch_ref: Option<String>,
}

/// What git may do here.
#[derive(Debug, Clone)]
pub struct GitDoor {
    /// What it may connect to.
    pub policy: NetworkPolicy,
    /// Whether `git://` is spoken, which nothing encrypts: at the addresses where plain http is.
    pub git_protocol: bool,
    /// The longest that one command may take.
    pub patience: Duration,
    /// The most bytes that a repository and its files may take on the disk, submodules included.
    pub max_bytes: u64,
}
