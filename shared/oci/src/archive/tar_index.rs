//! Which file lies where in a tar.
//!
//! Only headers are read here, through a reader that refuses to give more than their share: an extension header
//! that claims a gigabyte for a name is not a name.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use super::slice::Slice;
use super::{ArchiveError, Caps};
use crate::digest::printable;

/// Bytes of headers that are read.
const MAX_HEADER_BYTES: u64 = 64 << 20;
/// How many links may lead to a file.
const MAX_HOPS: usize = 8;

#[derive(Debug)]
enum Entry {
    File {
        at: u64,
        length: u64,
    },
    Directory,
    /// Where it leads, from the root of the archive.
    Link(String),
}

/// The files of a tar by their path.
#[derive(Debug)]
pub(super) struct TarIndex {
    file: Arc<File>,
    entries: HashMap<String, Entry>,
}

impl TarIndex {
    pub(super) fn read(file: File, caps: &Caps) -> Result<Self, ArchiveError> {
        let total = file.metadata().map_err(|e| ArchiveError::io("the archive cannot be read", e))?.len();
        let mut entries = HashMap::new();
        let mut archive = tar::Archive::new(Frugal { file: &file, left: MAX_HEADER_BYTES });
        let damaged =
            |e: io::Error| ArchiveError::Invalid(format!("as a tar: {}", printable(&e.to_string(), 200)));
        for entry in archive.entries_with_seek().map_err(damaged)? {
            let entry = entry.map_err(damaged)?;
            if entries.len() >= caps.entries {
                return Err(ArchiveError::TooLarge(format!("it has more than {} entries", caps.entries)));
            }
            let name = text(&entry.path_bytes())?;
            let path = inside("", &name)?;
            let (at, length) = (entry.raw_file_position(), entry.size());
            let is_whole = at.checked_add(length).is_some_and(|end| end <= total);
            let link =
                || entry.link_name_bytes().map(|link| text(&link)).unwrap_or_else(|| Ok(String::new()));
            let kind = entry.header().entry_type();
            let item = if kind.is_file() || kind.is_contiguous() {
                if !is_whole {
                    return Err(ArchiveError::Invalid(format!("it ends within {path}")));
                }
                Entry::File { at, length }
            } else if kind.is_dir() {
                Entry::Directory
            } else if kind.is_symlink() {
                Entry::Link(inside(parent(&path), &link()?)?)
            } else if kind.is_hard_link() {
                Entry::Link(inside("", &link()?)?)
            } else if kind.is_pax_global_extensions() {
                continue;
            } else {
                return Err(ArchiveError::Invalid(format!(
                    "{path} is neither a file, a directory nor a link"
                )));
            };
            let is_directory = matches!(item, Entry::Directory);
            match entries.insert(path, item) {
                None => {}
                Some(Entry::Directory) if is_directory => {}
                Some(_) => {
                    return Err(ArchiveError::Ambiguous(format!("{} is in it twice", printable(&name, 120))));
                }
            }
        }
        if entries.is_empty() {
            return Err(ArchiveError::Invalid("it is empty, or not a tar".into()));
        }
        Ok(Self { file: Arc::new(file), entries })
    }

    /// The file at a path; `None` where there is none, or a directory.
    pub(super) fn get(&self, path: &str) -> Result<Option<Slice>, ArchiveError> {
        let mut path = inside("", path)?;
        for _ in 0..MAX_HOPS {
            match self.entries.get(&path) {
                Some(Entry::File { at, length }) => {
                    return Ok(Some(Slice::new(self.file.clone(), *at, *length)));
                }
                Some(Entry::Link(to)) => path.clone_from(to),
                Some(Entry::Directory) | None => return Ok(None),
            }
        }
        Err(ArchiveError::Invalid(format!("too many links lead on from {path}")))
    }
}

fn text(bytes: &[u8]) -> Result<String, ArchiveError> {
    let invalid = || {
        let shown = printable(&String::from_utf8_lossy(bytes), 120);
        ArchiveError::Invalid(format!("the name {shown} is not text"))
    };
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).map(str::to_owned).ok_or_else(invalid)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// `path`, seen from the directory `base`, as a path from the root; refused where it leads out.
pub(super) fn inside(base: &str, path: &str) -> Result<String, ArchiveError> {
    let outside = || ArchiveError::Path(printable(path, 120));
    if path.starts_with('/') {
        return Err(outside());
    }
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(outside)?;
            }
            name => parts.push(name),
        }
    }
    Ok(parts.join("/"))
}

/// A file that can be skipped over at will but read only up to a bound.
struct Frugal<'a> {
    file: &'a File,
    left: u64,
}

impl Read for Frugal<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buf)?;
        let left = self.left.checked_sub(read as u64);
        self.left = left.ok_or_else(|| io::Error::other("its headers are larger than 64 MiB"))?;
        Ok(read)
    }
}

impl Seek for Frugal<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
