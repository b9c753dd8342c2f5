//! `WWW-Authenticate`: what a registry wants to see before it answers (RFC 9110, section 11).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// A challenge that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A username and password.
    Basic,
    /// A token from somewhere else.
    Bearer {
        /// Where to ask for the token.
        realm: String,
        /// Which service the token is for.
        service: Option<String>,
        /// What it must allow.
        scope: Option<String>,
    },
}

/// The strongest challenge in a response that can be answered: a token before a password.
pub(super) fn pick(headers: &HeaderMap) -> Option<Challenge> {
    let all: Vec<Challenge> = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(parse)
        .collect();
    let bearer = all.iter().find(|c| matches!(c, Challenge::Bearer { .. }));
    bearer.or_else(|| all.first()).cloned()
}

/// One challenge while it is read: its scheme and its parameters.
struct Reading {
    scheme: String,
    parameters: Vec<(String, String)>,
}

fn parse(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Reading> = Vec::new();
    for part in split(header) {
        // `scheme key=value` begins a challenge, `key=value` continues one, `scheme` alone begins one.
        let (before, value) = match part.split_once('=') {
            Some((before, value)) => (before.trim(), Some(unquote(value.trim()))),
            None => (part.trim(), None),
        };
        let (scheme, key) = match (before.split_once(char::is_whitespace), &value) {
            (Some((scheme, key)), Some(_)) => (Some(scheme), key.trim()),
            (_, Some(_)) => (None, before),
            (_, None) => (Some(before), ""),
        };
        if let Some(scheme) = scheme {
            found.push(Reading { scheme: scheme.to_ascii_lowercase(), parameters: Vec::new() });
        }
        if let (Some(reading), Some(value)) = (found.last_mut(), value) {
            reading.parameters.push((key.to_ascii_lowercase(), value));
        }
    }
    found.into_iter().filter_map(Reading::understood).collect()
}

impl Reading {
    fn understood(self) -> Option<Challenge> {
        let get = |key: &str| self.parameters.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
        match self.scheme.as_str() {
            "basic" => Some(Challenge::Basic),
            "bearer" => {
                Some(Challenge::Bearer { realm: get("realm")?, service: get("service"), scope: get("scope") })
            }
            _ => None,
        }
    }
}

/// Splits at commas that are not inside quotes.
fn split(header: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    header
        .split(|c| {
            if escaped {
                escaped = false;
                return false;
            }
            match c {
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                ',' => return !quoted,
                _ => {}
            }
            false
        })
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let mut out = String::new();
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => break,
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        }
    }

    fn picked(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        pick(&headers)
    }

    #[test]
    fn challenges_of_all_sorts() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        let expected = bearer(
            "https://auth.docker.io/token",
            Some("registry.docker.io"),
            Some("repository:a/b:pull,push"),
        );
        assert_eq!(picked(&[hub]), Some(expected.clone()));
        assert_eq!(picked(&[r#"Basic realm="x""#, hub]), Some(expected.clone()));
        assert_eq!(picked(&[&format!(r#"Basic realm="a, b", {hub}"#)]), Some(expected));
        assert_eq!(picked(&["Basic"]), Some(Challenge::Basic));
        assert_eq!(
            picked(&[r#"bearer REALM=https://a/t , scope = "x""#]),
            Some(bearer("https://a/t", None, Some("x")))
        );
        assert_eq!(picked(&[r#"Bearer realm="a\"b\\c""#]), Some(bearer("a\"b\\c", None, None)));
        for unusable in
            ["", "Negotiate", "Bearer", r#"Bearer service="x""#, ",,,", "=", "\"", "Digest realm=\"x\""]
        {
            assert_eq!(picked(&[unusable]), None, "{unusable}");
        }
    }
}
