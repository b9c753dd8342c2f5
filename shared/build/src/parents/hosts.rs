//! The registries that a Dockerfile names.

use std::collections::BTreeSet;

/// The hosts that stand before a slash anywhere in a Dockerfile or a build argument, where an image's name could be. Some may be
/// no registry at all, which does no harm: nobody asks them for anything.
pub fn hosts<'a>(dockerfile: &'a str, args: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut found = BTreeSet::new();
    for text in std::iter::once(dockerfile).chain(args) {
        for word in text.split(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\'' | ',' | '{' | '}'))
        {
            // The default of a variable, `${BASE:-host/name}`.
            let word = word.strip_prefix('-').unwrap_or(word);
            let word = word.rsplit_once(":-").map_or(word, |(_, default)| default);
            // An argument may be a host alone, with the rest put behind it.
            let host = word.split('/').next().unwrap_or_default();
            // `node:20` alone is an image, whatever it looks like.
            let named = word.contains('/') || host.contains('.') || host == "localhost";
            if named && is_host(host) && !word.contains("://") {
                found.insert(host.to_owned());
            }
        }
    }
    found.into_iter().collect()
}

/// As image references tell a host from a name: it has a dot or a port, or is `localhost`.
fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let dotted = name.contains('.') || port.is_some() || name == "localhost";
    let named = !name.is_empty()
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let numbered = port.is_none_or(|port| !port.is_empty() && port.parse::<u16>().is_ok());
    dotted && named && numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_found_wherever_they_stand() {
        let dockerfile = "ARG BASE=registry.example/team/base:1\nARG OTHER\nFROM ${BASE:-localhost/x} AS a\n\
            FROM 127.0.0.1:5000/b\nCOPY --from=ghcr.io/c/d:2 /x /y\nRUN --mount=type=bind,from=quay.io/e/f curl https://no.example/g\n\
            FROM nginx:1.29\nFROM node:20\n";
        let found = hosts(dockerfile, ["mirror.example:443/z", "reg.internal"]);
        let expected = [
            "127.0.0.1:5000",
            "ghcr.io",
            "localhost",
            "mirror.example:443",
            "quay.io",
            "reg.internal",
            "registry.example",
        ];
        assert_eq!(found, expected);
    }
}
