//! Build contexts: from an archive to the directory that a builder is given.
//!
//! Whatever an archive holds, nothing outside the directory is written or read: names that lead out are refused, links stay what
//! they are, and the Dockerfile must be a file of the context itself.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use oci::limits::Limits;
use tar::{Archive, EntryType};

use crate::BuildError;
use crate::job::JobDir;

/// What a context may hold.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Bytes of all its files.
    pub bytes: u64,
    /// Files and directories.
    pub entries: u64,
}

fn invalid(told: impl std::fmt::Display) -> BuildError {
    BuildError::permanent("context.invalid", format!("The build context cannot be read: {told}."))
}

fn disk(error: impl std::fmt::Display) -> BuildError {
    BuildError::transient("factory.disk", format!("The build context cannot be written: {error}."))
}

/// Unpacks a tar, plain or compressed with gzip or zstd, into a new directory. Blocking.
///
/// # Errors
/// `context.invalid` when it is none, or holds what a context may not; `context.too_large`.
pub fn unpack(from: impl Read + Send + 'static, into: &Path, caps: Caps) -> Result<(), BuildError> {
    std::fs::create_dir_all(into).map_err(disk)?;
    let other = |_| invalid("it is compressed in another way than gzip or zstd");
    let mut archive = Archive::new(oci::layer::plain(from, Limits::default().zstd_window).map_err(other)?);
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    let (mut bytes, mut entries) = (0u64, 0u64);
    let mut any = false;
    for entry in archive.entries().map_err(invalid)? {
        let mut entry = entry.map_err(invalid)?;
        any = true;
        entries += 1;
        bytes = bytes.saturating_add(entry.size());
        if bytes > caps.bytes || entries > caps.entries {
            let told = format!(
                "The build context holds more than {} bytes or {} entries.",
                caps.bytes, caps.entries
            );
            return Err(BuildError::permanent("context.too_large", told));
        }
        let kind = entry.header().entry_type();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !matches!(
            kind,
            EntryType::Regular
                | EntryType::Continuous
                | EntryType::Directory
                | EntryType::Symlink
                | EntryType::Link
        ) {
            // Git's archives begin with a comment.
            if matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
                continue;
            }
            return Err(invalid(format!("`{}` is neither file, directory nor link", name.escape_debug())));
        }
        // The library leaves out what leads outside, also by way of links that it made before.
        if !entry.unpack_in(into).map_err(|e| unpacked(&name, &e))? {
            return Err(invalid(format!("`{}` leads out of it", name.escape_debug())));
        }
    }
    if any { Ok(()) } else { Err(invalid("there is nothing in it")) }
}

fn unpacked(name: &str, error: &io::Error) -> BuildError {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return disk(error);
    }
    invalid(format!("`{}`: {error}", name.escape_debug()))
}

/// Puts the part of `source` that is built where the builder looks for it, and finds the Dockerfile in it; answers that file's
/// path within the context. Blocking.
///
/// # Errors
/// `context.dir_missing`, `build.dockerfile_missing`.
pub fn place(
    source: &Path,
    dir: Option<&str>,
    file: Option<&str>,
    job: &JobDir,
) -> Result<PathBuf, BuildError> {
    let dir = inner(dir.unwrap_or(".")).ok_or_else(|| {
        BuildError::permanent("context.dir_missing", "The context directory leads out of the source.")
    })?;
    let told = || format!("There is no directory `{}` in the source.", dir.display());
    let missing = || BuildError::permanent("context.dir_missing", told());
    let root = source.canonicalize().map_err(disk)?;
    let chosen = source.join(&dir).canonicalize().map_err(|_| missing())?;
    if !chosen.starts_with(&root) || !chosen.is_dir() {
        return Err(missing());
    }
    std::fs::rename(&chosen, job.context()).map_err(disk)?;
    let context = job.context().canonicalize().map_err(disk)?;
    let names = match file {
        Some(name) => vec![name],
        None => vec!["Dockerfile", "Containerfile"],
    };
    let found = names.iter().find_map(|name| {
        let path = inner(name)?;
        let real = context.join(&path).canonicalize().ok()?;
        (real.starts_with(&context) && real.is_file()).then_some(path)
    });
    found.ok_or_else(|| {
        let told = format!("There is no file `{}` in the build context.", names.join("` or `"));
        BuildError::permanent("build.dockerfile_missing", told)
    })
}

/// A path that stays below where it is put.
fn inner(path: &str) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in Path::new(path.trim_start_matches('/')).components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(if clean.as_os_str().is_empty() { PathBuf::from(".") } else { clean })
}

#[cfg(test)]
mod tests;
