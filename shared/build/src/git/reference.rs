//! Names of branches, tags and commits.

use super::GitRef;
use crate::BuildError;

/// The longest name: `refs/heads/` and it must be a path on the server.
const MAX: usize = 240;

/// Checks a name before anything is asked: as `git check-ref-format` does, for branches and tags.
///
/// # Errors
/// `git.ref`.
pub fn check_ref(wanted: &GitRef) -> Result<(), BuildError> {
    match wanted {
        GitRef::Default => Ok(()),
        GitRef::Branch(name) if is_name(name) => Ok(()),
        GitRef::Tag(name) if is_name(name) => Ok(()),
        GitRef::Branch(_) => Err(refused("The name of the branch is not one that git allows.")),
        GitRef::Tag(_) => Err(refused("The name of the tag is not one that git allows.")),
        GitRef::Commit(id) => commit(id).map(drop),
    }
}

/// A commit's full id, in lower case.
pub(super) fn commit(id: &str) -> Result<String, BuildError> {
    if !matches!(id.len(), 40 | 64) || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(refused("A commit is named in full, by 40 or 64 hexadecimal digits."));
    }
    Ok(id.to_ascii_lowercase())
}

fn refused(sentence: &str) -> BuildError {
    BuildError::permanent("git.ref", sentence)
}

/// The rules of git-check-ref-format(1), and no leading dash.
pub(super) fn is_name(name: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock") && part != "@";
    let free = |c: char| !c.is_control() && !c.is_whitespace() && !"~^:?*[\\".contains(c);
    name.len() <= MAX
        && name.chars().all(free)
        && !name.starts_with('-')
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["main", "feature/a-b", "v1.2.3", "a@b", "ünïcode", "refs/heads/main"] {
            assert!(check_ref(&GitRef::Branch(name.into())).is_ok(), "{name}");
        }
        for name in [
            "",
            "-x",
            "--upload-pack=x",
            "a..b",
            "a b",
            "a\nb",
            "a\0",
            "a~1",
            "a^{}",
            "a:b",
            "a?",
            "a*",
            "a[",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "@",
            "a@{1}",
            "\u{7f}",
        ] {
            assert_eq!(check_ref(&GitRef::Branch(name.into())).unwrap_err().code(), "git.ref", "{name}");
            assert!(check_ref(&GitRef::Tag(name.into())).is_err(), "{name}");
        }
    }

    #[test]
    fn commits() {
        for id in ["a".repeat(40), "0123456789ABCDEF".repeat(4)] {
            assert!(check_ref(&GitRef::Commit(id)).is_ok());
        }
        for id in ["", "abc", "HEAD", &"g".repeat(40), &"a".repeat(41), &"é".repeat(20)] {
            assert_eq!(check_ref(&GitRef::Commit(id.into())).unwrap_err().code(), "git.ref", "{id}");
        }
    }
}
