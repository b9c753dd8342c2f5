//! What a path under `/v2/` asks for. Names may hold slashes, so the end of the path decides.

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    /// A manifest by tag or digest.
    Manifest(&'a str),
    /// A blob by digest.
    Blob(&'a str),
    /// The list of tags.
    Tags,
    /// What refers to a digest.
    Referrers,
}

/// Name and wish of a path.
pub(super) fn parse(rest: &str) -> Option<(&str, Wanted<'_>)> {
    let (head, last) = rest.rsplit_once('/')?;
    let (name, noun) = head.rsplit_once('/')?;
    let wanted = match noun {
        "manifests" => Wanted::Manifest(last),
        "blobs" => Wanted::Blob(last),
        "tags" if last == "list" => Wanted::Tags,
        "referrers" => Wanted::Referrers,
        _ => return None,
    };
    (!name.is_empty() && !last.is_empty()).then_some((name, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(parse("main/web/manifests/latest"), Some(("main/web", Wanted::Manifest("latest"))));
        assert_eq!(parse("main/blobs/blobs/sha256:a"), Some(("main/blobs", Wanted::Blob("sha256:a"))));
        assert_eq!(parse("main/web/tags/list"), Some(("main/web", Wanted::Tags)));
        for other in
            ["", "main", "main/web", "manifests/x", "main/web/tags/other", "main/web/uploads/", "/blobs/x"]
        {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
