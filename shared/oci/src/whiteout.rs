//! Whiteouts (OCI image specification, "Whiteouts"): names that delete.

use crate::layer::LayerError;
use crate::path::components;

const MARK: &[u8] = b".wh.";

/// What a name means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// An ordinary entry.
    Plain,
    /// Deletes this path of the layers below.
    Whiteout(Vec<u8>),
    /// Hides the children of this directory in the layers below.
    Opaque(Vec<u8>),
    /// Something AUFS left behind.
    Leftover,
}

/// Understands a normalised path.
pub(crate) fn classify(path: &[u8]) -> Result<Name, LayerError> {
    // Most names by far hold no mark at all.
    if !path.windows(MARK.len()).any(|w| w == MARK) {
        return Ok(Name::Plain);
    }
    let parts: Vec<&[u8]> = components(path).collect();
    let Some((last, parents)) = parts.split_last() else { return Ok(Name::Plain) };
    let leftover = |part: &[u8]| matches!(part, b".wh..wh.aufs" | b".wh..wh.plnk" | b".wh..wh.orph");
    if parts.iter().any(|part| leftover(part)) {
        return Ok(Name::Leftover);
    }
    if parents.iter().any(|part| part.starts_with(MARK)) {
        return Err(LayerError::new("whiteout.in_path", "A whiteout stands in the middle of a path."));
    }
    let Some(target) = last.strip_prefix(MARK) else { return Ok(Name::Plain) };
    match target {
        b"" | b"." | b".." => {
            Err(LayerError::new("whiteout.invalid", "A whiteout deletes nothing that has a name."))
        }
        b".wh..opq" => Ok(Name::Opaque(parents.join(&b'/'))),
        target => {
            let mut path = parents.to_vec();
            path.push(target);
            Ok(Name::Whiteout(path.join(&b'/')))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood() {
        let read = |path: &str| classify(path.as_bytes()).map_err(|e| e.code());
        assert_eq!(read("a/b"), Ok(Name::Plain));
        assert_eq!(read("foo.wh.bar"), Ok(Name::Plain));
        assert_eq!(read("a/.wh.b"), Ok(Name::Whiteout(b"a/b".to_vec())));
        assert_eq!(read(".wh.foo.wh.bar"), Ok(Name::Whiteout(b"foo.wh.bar".to_vec())));
        assert_eq!(read("a/.wh..wh..opq"), Ok(Name::Opaque(b"a".to_vec())));
        assert_eq!(read(".wh..wh..opq"), Ok(Name::Opaque(b"".to_vec())));
        assert_eq!(read(".wh..wh.plnk/1.2"), Ok(Name::Leftover));
        for path in [".wh.", "d/.wh..", ".wh..."] {
            assert_eq!(read(path), Err("whiteout.invalid"), "{path}");
        }
        assert_eq!(read(".wh.d/x"), Err("whiteout.in_path"));
    }
}
