//! Who is asking: credentials, and what has been learnt about how to show them.

use std::fmt;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

/// A username and a password or token, for one registry.
#[derive(Clone)]
pub struct Credentials {
    /// The username.
    pub username: String,
    /// The password, or the token that stands in its place.
    pub password: SecretString,
}

impl Credentials {
    /// Credentials for a registry.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: SecretString::from(password.into()) }
    }

    /// The value of an `Authorization` header. `None` if it cannot be one.
    pub(super) fn basic(&self) -> Option<HeaderValue> {
        let pair = SecretString::from(format!("{}:{}", self.username, self.password.expose_secret()));
        sensitive(&format!("Basic {}", STANDARD.encode(pair.expose_secret())))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A header value that no log prints.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What a registry is shown with each request, once it has asked.
#[derive(Clone)]
pub(super) struct Pass {
    pub(super) header: HeaderValue,
    /// When it stops being of use; never for a password.
    pub(super) until: Option<Instant>,
    /// Whether it is the bare password, not a token got for it.
    pub(super) is_password: bool,
}

impl Pass {
    /// Whether it has not run out.
    pub(super) fn holds(&self) -> bool {
        self.until.is_none_or(|until| until > Instant::now())
    }
}

/// The credentials for one repository, and the pass they got.
pub(super) struct Auth {
    pub(super) credentials: Option<Credentials>,
    /// Locked while a pass is fetched: layers pulled in parallel share one token.
    pub(super) pass: Mutex<Option<Pass>>,
}

impl Auth {
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, pass: Mutex::new(None) }
    }

    /// The pass to show, if there is one that still holds.
    pub(super) async fn current(&self) -> Option<Pass> {
        self.pass.lock().await.clone().filter(Pass::holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_a_password() {
        let credentials = Credentials::new("me", "hunter2");
        let header = credentials.basic().unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic bWU6aHVudGVyMg==");
        assert!(!format!("{credentials:?} {header:?}").contains("hunter2"));
        assert!(!format!("{header:?}").contains("bWU6"));
    }
}
