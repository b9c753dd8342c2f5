//! Where the files of an archive are: in a directory or in a tar.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::ArchiveError;
use super::slice::Slice;
use super::tar_index::{TarIndex, inside};
use crate::digest::{Digest, Hasher, Mismatch};
use crate::manifest::Descriptor;

/// Files by their path.
#[derive(Debug)]
pub(super) enum Shelf {
    /// A directory, its path resolved.
    Directory(PathBuf),
    /// A tar.
    Tar(TarIndex),
}

impl Shelf {
    pub(super) fn directory(path: &Path) -> Result<Self, ArchiveError> {
        let root =
            fs::canonicalize(path).map_err(|e| ArchiveError::io("the directory cannot be opened", e))?;
        Ok(Self::Directory(root))
    }

    pub(super) fn has(&self, path: &str) -> Result<bool, ArchiveError> {
        Ok(self.get(path)?.is_some())
    }

    /// The file at a path.
    pub(super) fn get(&self, path: &str) -> Result<Option<Slice>, ArchiveError> {
        match self {
            Self::Tar(index) => index.get(path),
            Self::Directory(root) => open_below(root, path),
        }
    }

    /// The whole file at a path, of at most `max` bytes.
    pub(super) fn read(&self, path: &str, max: u64) -> Result<Bytes, ArchiveError> {
        let missing = || ArchiveError::Invalid(format!("{} is missing", crate::digest::printable(path, 120)));
        let mut slice = self.get(path)?.ok_or_else(missing)?;
        if slice.len() > max {
            return Err(ArchiveError::Invalid(format!("{path} is larger than {max} bytes")));
        }
        let mut bytes = Vec::new();
        slice.read_to_end(&mut bytes).map_err(|e| ArchiveError::io("the archive cannot be read", e))?;
        Ok(bytes.into())
    }

    /// A blob of an OCI layout, whole, held to its descriptor.
    pub(super) fn blob(&self, descriptor: &Descriptor, max: u64) -> Result<Bytes, ArchiveError> {
        let (digest, expected) = (descriptor.digest.clone(), descriptor.size);
        let bytes = self.read(&blob_path(&digest), max)?;
        if bytes.len() as u64 != expected {
            return Err(Mismatch::Size { digest, expected, found: bytes.len().to_string() }.into());
        }
        hold(&bytes, &digest)?;
        Ok(bytes)
    }
}

/// Where an OCI layout keeps a blob (image-layout.md). A [`Digest`] is safe in a path.
pub(super) fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

pub(super) fn hold(bytes: &[u8], expected: &Digest) -> Result<(), Mismatch> {
    let mut hasher = Hasher::new(expected.algorithm());
    hasher.update(bytes);
    let found = hasher.finish();
    if found == *expected { Ok(()) } else { Err(Mismatch::Digest { expected: expected.clone(), found }) }
}

fn open_below(root: &Path, path: &str) -> Result<Option<Slice>, ArchiveError> {
    let unreadable = |e| ArchiveError::io("the archive cannot be read", e);
    let path = inside("", path)?;
    let resolved = match fs::canonicalize(root.join(&path)) {
        Ok(resolved) => resolved,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(e) => return Err(unreadable(e)),
    };
    if !resolved.starts_with(root) {
        return Err(ArchiveError::Path(path));
    }
    // Before it is opened: opening a fifo waits for its writer.
    if !fs::metadata(&resolved).map_err(unreadable)?.is_file() {
        return Ok(None);
    }
    let file = File::open(&resolved).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    Ok(Some(Slice::new(Arc::new(file), 0, length)))
}
