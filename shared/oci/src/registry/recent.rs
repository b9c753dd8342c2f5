//! What was asked a moment ago: one stage pins an image, the next fetches it, and registries count what they are asked.
//!
//! A repository is known by its target and by who asks, so nobody gets what only others may have. Documents are kept by
//! their digests alone: a tag is asked for each time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use sha2::{Digest as _, Sha256};

use super::auth::Credentials;
use super::repository::{Fetched, Repository};
use crate::digest::Digest;

/// How long a repository is kept.
const KEPT: Duration = Duration::from_secs(60);

/// Repositories kept at once.
const REPOSITORIES: usize = 32;

/// Documents kept of each.
const DOCUMENTS: usize = 8;

/// The largest document that is kept, in bytes.
const LARGEST: usize = 64 << 10;

/// Repositories, with the passes they gave out and their documents.
#[derive(Debug, Default)]
pub(super) struct Repositories(Mutex<Vec<([u8; 32], Instant, Repository)>>);

impl Repositories {
    /// The repository of this key, or a new one.
    pub(super) fn get(&self, key: [u8; 32], new: impl FnOnce() -> Repository) -> Repository {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, since, _)| since.elapsed() < KEPT);
        if let Some((.., repository)) = kept.iter().find(|(other, ..)| *other == key) {
            return repository.clone();
        }
        if kept.len() >= REPOSITORIES {
            kept.remove(0);
        }
        let repository = new();
        kept.push((key, Instant::now(), repository.clone()));
        repository
    }
}

/// What tells apart who asks for what. Nobody can tell from it what the password is.
pub(super) fn key(shown: &str, credentials: Option<&Credentials>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let parts = match credentials {
        Some(c) => vec![shown, c.username.as_str(), c.password.expose_secret()],
        None => vec![shown],
    };
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Small documents of one repository.
#[derive(Debug, Default)]
pub(super) struct Documents(Mutex<Vec<Fetched>>);

impl Documents {
    pub(super) fn get(&self, digest: &Digest) -> Option<Fetched> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|document| document.digest == *digest).cloned()
    }

    /// Keeps a document whose bytes were held to its digest.
    pub(super) fn keep(&self, document: &Fetched) {
        if document.bytes.len() > LARGEST {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.digest != document.digest);
        if kept.len() >= DOCUMENTS {
            kept.remove(0);
        }
        kept.push(document.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_apart_who_asks() {
        let me = Credentials::new("me", "secret");
        let keys = [
            key("r/a:1", None),
            key("r/a:2", None),
            key("r/a:1", Some(&me)),
            key("r/a:1", Some(&Credentials::new("me", "other"))),
            key("r/a:1", Some(&Credentials::new("mes", "ecret"))),
        ];
        for (place, one) in keys.iter().enumerate() {
            assert!(keys[place + 1..].iter().all(|other| other != one), "{place}");
        }
        assert_eq!(key("r/a:1", Some(&me)), keys[2]);
    }
}
