//! A directory as a tree: what some tool unpacked.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{lgetxattr, llistxattr, major, minor};

use super::{Meta, Tree, What, tree_of};

/// Reads a directory and everything below it. Nothing is followed, and no device is opened.
pub fn read_dir(root: &Path) -> Tree {
    let mut names: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut inodes = Vec::new();
    let mut seen: HashMap<(u64, u64), usize> = HashMap::new();
    let mut todo = vec![Vec::new()];
    while let Some(path) = todo.pop() {
        let full = root.join(OsStr::from_bytes(&path));
        let meta = match fs::symlink_metadata(&full) {
            Ok(meta) => meta,
            // An overlay file system lists the name of a whiteout that has nothing to hide, and no such file.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !path.is_empty() => continue,
            Err(e) => panic!("{}: {e}", full.display()),
        };
        if meta.is_dir() {
            for entry in fs::read_dir(&full).expect("a directory") {
                let name = entry.expect("a name").file_name();
                let below = if path.is_empty() { Vec::new() } else { [&path, &b"/"[..]].concat() };
                todo.push([&below, name.as_bytes()].concat());
            }
        }
        let id = *seen.entry((meta.dev(), meta.ino())).or_insert_with(|| {
            inodes.push(node(&full, &meta));
            inodes.len() - 1
        });
        names.insert(path, id);
    }
    tree_of(names.iter().map(|(path, id)| (path.as_slice(), *id)), |id| inodes[id].clone())
}

fn node(full: &Path, meta: &fs::Metadata) -> (What, Meta) {
    let device = (major(meta.rdev()), minor(meta.rdev()));
    let what = match meta.mode() & 0o170_000 {
        0o100_000 => What::File(fs::read(full).expect("a file")),
        0o040_000 => What::Dir,
        0o120_000 => What::Symlink(fs::read_link(full).expect("a link").into_os_string().as_bytes().to_vec()),
        0o010_000 => What::Fifo,
        0o020_000 => What::Char(device.0, device.1),
        0o060_000 => What::Block(device.0, device.1),
        other => panic!("a node of type {other:o}"),
    };
    let mtime = (meta.mtime(), u32::try_from(meta.mtime_nsec()).expect("nanoseconds"));
    let meta =
        Meta { mode: meta.mode() & 0o7777, uid: meta.uid(), gid: meta.gid(), mtime, xattrs: xattrs(full) };
    (what, meta)
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 64 << 10];
    let length = llistxattr(path, &mut names[..]).expect("a list of attributes");
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 64 << 10];
            let length = lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).expect("an attribute");
            (name.to_vec(), value[..length].to_vec())
        })
        .collect()
}
