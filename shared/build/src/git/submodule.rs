//! Where submodules go.
//!
//! `git submodule` is not called: it keeps repositories under names that the repository chooses, and every one of its
//! holes came from there (CVE-2018-11235, CVE-2024-32002, CVE-2025-48384). A submodule here is one more checkout, in a
//! directory that git has just made for it.

use std::path::{Component, Path, PathBuf};

use crate::BuildError;

/// The most submodules of submodules.
pub(super) const DEPTH: usize = 8;

/// The most submodules in all.
pub(super) const COUNT: usize = 256;

/// The directory of a submodule. Every part of it is a directory and not a symlink to one, and nothing is in it yet.
///
/// # Errors
/// `git.submodule`.
pub(super) fn directory(root: &Path, path: &str) -> Result<PathBuf, BuildError> {
    let mut at = root.to_owned();
    if path.is_empty() {
        return Err(refused("has a path that cannot be read"));
    }
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) if !name.eq_ignore_ascii_case(".git") => at.push(name),
            _ => return Err(refused("has a path that leads elsewhere")),
        }
        if !at.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            return Err(refused("lies behind a symlink or a file"));
        }
    }
    match std::fs::read_dir(&at).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(at),
        _ => Err(refused("has a directory that is not empty")),
    }
}

pub(super) fn refused(why: &str) -> BuildError {
    BuildError::permanent("git.submodule", format!("A submodule of the repository {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_an_empty_directory_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join("full")).unwrap();
        fs::write(root.join("full/file"), "").unwrap();
        fs::create_dir_all(dir.path().join("outside/b")).unwrap();
        std::os::unix::fs::symlink("../outside", root.join("link")).unwrap();
        std::os::unix::fs::symlink("a", root.join("inner")).unwrap();
        assert_eq!(directory(&root, "a/b").unwrap(), root.join("a/b"));
        for path in [
            "",
            "a",
            "full",
            "full/file",
            "link",
            "link/b",
            "inner/b",
            "..",
            "a/../a/b",
            "/a/b",
            "a/.GIT",
            "missing",
        ] {
            assert_eq!(directory(&root, path).expect_err(path).code(), "git.submodule", "{path}");
        }
    }
}
