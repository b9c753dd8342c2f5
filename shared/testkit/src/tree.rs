//! Trees to compare: what an independent tool unpacked, one line a path.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use embedded::Program;

use crate::{image, tools};

/// Unpacks an OCI layout with umoci; the root file system.
pub fn unpack(layout: &Path, to: &Path) -> PathBuf {
    let image = format!("{}:latest", layout.display());
    tools::run(tools::command(Program::Umoci).args(["unpack", "--image", &image]).arg(to));
    to.join("rootfs")
}

/// Every path with type, mode, owner, size, time, content, link target, hardlink group and extended attributes. The times
/// of directories that no layer has an entry for are the extractor's, so those named are left out.
pub fn listing(root: &Path, timeless: &[&str]) -> Vec<String> {
    let mut paths = Vec::new();
    walk(root, root, &mut paths);
    paths.sort();
    let mut groups: HashMap<u64, String> = HashMap::new();
    let mut lines = Vec::new();
    for path in paths {
        let full = root.join(&path);
        let meta = fs::symlink_metadata(&full).expect("a path that was found");
        let name = path.to_string_lossy().into_owned();
        let group = groups.entry(meta.ino()).or_insert_with(|| name.clone()).clone();
        let content = if meta.is_file() {
            image::digest(&fs::read(&full).expect("a file"))
        } else if meta.is_symlink() {
            fs::read_link(&full).expect("a link").to_string_lossy().into_owned()
        } else {
            String::new()
        };
        let time = if timeless.contains(&name.as_str()) {
            String::new()
        } else {
            format!("{}.{:09}", meta.mtime(), meta.mtime_nsec())
        };
        let size = if meta.is_dir() { 0 } else { meta.size() };
        let (mode, uid, gid) = (meta.mode(), meta.uid(), meta.gid());
        lines.push(format!(
            "{name} {mode:o} {uid}:{gid} {size} {time} {content} group={group} {}",
            xattrs(&full)
        ));
    }
    lines
}

fn walk(root: &Path, dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        paths.push(path.strip_prefix(root).expect("below the root").to_owned());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(root, &path, paths);
        }
    }
}

fn xattrs(path: &Path) -> String {
    let mut names = vec![0; 4096];
    let Ok(length) = rustix::fs::llistxattr(path, &mut names) else { return String::new() };
    let mut found = Vec::new();
    for name in names[..length].split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let name = String::from_utf8_lossy(name).into_owned();
        let mut value = vec![0; 65536];
        if let Ok(length) = rustix::fs::lgetxattr(path, name.as_str(), &mut value) {
            found.push(format!("{name}={}", hex::encode(&value[..length])));
        }
    }
    found.sort();
    found.join(",")
}
