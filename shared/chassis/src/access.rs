//! Who may come in: one place for the API, logs, events and `/v2/`.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use db::{Db, DbError};
use model::access::Principal;

use crate::key;

/// Why nobody comes in.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// No key was shown.
    #[error("An API key is needed: send it as `Authorization: Bearer <key>`, or as the password of Basic.")]
    NoKey,
    /// The key is not one of ours.
    #[error("The API key is not valid.")]
    WrongKey,
    /// It cannot be told just now.
    #[error("The factory's database is not reachable.")]
    Unknown(#[source] DbError),
}

/// Whose request is this? The key comes as a Bearer token, or as the password of Basic with any user name. A key that is
/// revoked may come in for up to [`db::key::LATELY`] more.
///
/// # Errors
/// When there is no valid key, or it cannot be looked up.
pub async fn authenticate(db: &Db, headers: &HeaderMap) -> Result<Principal, Denied> {
    let key = shown(headers).ok_or(Denied::NoKey)?;
    if !key::is_well_formed(&key) {
        return Err(Denied::WrongKey);
    }
    db.principal_lately(&key::hash(&key)).await.map_err(Denied::Unknown)?.ok_or(Denied::WrongKey)
}

fn shown(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (_, password) = text.split_once(':')?;
    Some(password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        shown(&headers)
    }

    #[test]
    fn the_key_is_found_in_both_schemes() {
        assert_eq!(with("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(with(&format!("basic {}", STANDARD.encode("any:a:b"))).as_deref(), Some("a:b"));
        for other in ["", "Bearer", "Digest x", "Basic !!!", &format!("Basic {}", STANDARD.encode("nocolon"))]
        {
            assert_eq!(with(other), None, "{other}");
        }
    }
}
