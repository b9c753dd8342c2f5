//! Being let in: Basic, and the bearer token flow (Docker Registry token authentication specification).

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::Credentials;

/// What opens a repository, once it is known.
#[derive(Debug)]
pub(super) struct Auth {
    credentials: Option<Credentials>,
    scope: String,
    header: Mutex<Option<SecretString>>,
}

/// What a registry asks for in `WWW-Authenticate`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The credentials themselves.
    Basic,
    /// A token from this realm.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Auth {
    pub(super) fn new(repository: &str, credentials: Option<Credentials>) -> Self {
        Self { credentials, scope: format!("repository:{repository}:pull"), header: Mutex::new(None) }
    }

    /// The `Authorization` header to send, if there is one yet.
    pub(super) fn header(&self) -> Option<SecretString> {
        self.header.lock().ok()?.clone()
    }

    fn keep(&self, header: String) {
        if let Ok(mut place) = self.header.lock() {
            *place = Some(header.into());
        }
    }

    /// `Basic …`, when there are credentials.
    pub(super) fn basic(&self) -> Option<SecretString> {
        let credentials = self.credentials.as_ref()?;
        let pair = format!("{}:{}", credentials.username, credentials.password.expose_secret());
        Some(format!("Basic {}", STANDARD.encode(pair)).into())
    }

    /// Uses the credentials themselves from now on; false when there are none.
    pub(super) fn use_basic(&self) -> bool {
        let Some(basic) = self.basic() else { return false };
        self.keep(basic.expose_secret().to_owned());
        true
    }

    /// Where to ask for a token.
    pub(super) fn token_url(&self, challenge: &Challenge) -> Option<Url> {
        let Challenge::Bearer { realm, service, scope } = challenge else { return None };
        let mut url: Url = realm.parse().ok()?;
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = service {
                query.append_pair("service", service);
            }
            query.append_pair("scope", scope.as_deref().unwrap_or(&self.scope));
            if let Some(credentials) = &self.credentials {
                query.append_pair("account", &credentials.username);
            }
        }
        Some(url)
    }

    /// Uses the token of an answer from now on; false when there is none in it.
    pub(super) fn use_token(&self, answer: &[u8]) -> bool {
        let Ok(answer) = serde_json::from_slice::<Answer>(answer) else { return false };
        let token = answer.token.or(answer.access_token).filter(|t| !t.is_empty());
        let Some(token) = token else { return false };
        self.keep(format!("Bearer {token}"));
        true
    }
}

/// Understands the challenges of a 401; a bearer token is preferred.
pub(super) fn challenge<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = None;
    for header in headers {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            basic = Some(Challenge::Basic);
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            let mut fields = parameters(rest);
            if let Some(realm) = fields.remove("realm") {
                return Some(Challenge::Bearer {
                    realm,
                    service: fields.remove("service"),
                    scope: fields.remove("scope"),
                });
            }
        }
    }
    basic
}

/// `key="value, with commas",key=value` (RFC 9110 section 11.2).
fn parameters(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',']).to_ascii_lowercase();
        let (value, tail) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.insert(key, value.trim().to_owned());
        rest = tail;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges() {
        let header = r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push""#;
        let Some(Challenge::Bearer { realm, service, scope }) = challenge([header].into_iter()) else {
            panic!()
        };
        assert_eq!(realm, "https://auth.example/token");
        assert_eq!(
            (service.as_deref(), scope.as_deref()),
            (Some("r.example"), Some("repository:a/b:pull,push"))
        );
        assert_eq!(challenge(["basic realm=x"].into_iter()), Some(Challenge::Basic));
        for other in ["", "Bearer", "Bearer realm", "Digest realm=x"] {
            assert_eq!(challenge([other].into_iter()), None, "{other}");
        }
    }

    #[test]
    fn tokens_are_kept_and_never_printed() {
        let auth = Auth::new("a/b", None);
        assert!(!auth.use_token(b"{}") && !auth.use_token(b"x") && !auth.use_token(br#"{"token":""}"#));
        assert!(auth.use_token(br#"{"access_token":"hunter2"}"#));
        assert_eq!(auth.header().unwrap().expose_secret(), "Bearer hunter2");
        assert!(!format!("{auth:?}").contains("hunter2"));
    }
}
