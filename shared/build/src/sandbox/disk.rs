//! What a build has written to the disk.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Counts what a build writes: its own directory, and the upper directories of the overlays that it mounts.
#[derive(Debug)]
pub(super) struct Written {
    job: PathBuf,
    storage: PathBuf,
    most: u64,
    /// Of layers seen so far, also of those that are not mounted any more.
    layers: HashMap<PathBuf, u64>,
}

impl Written {
    pub(super) fn new(job: &Path, storage: &Path, most: u64) -> Self {
        Self { job: job.join("work"), storage: storage.to_owned(), most, layers: HashMap::new() }
    }

    /// Has more been written than may be? `process` is one in the build's mount namespace. Blocking.
    pub(super) fn is_too_much(&mut self, process: u32) -> bool {
        let mounts = fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap_or_default();
        for upper in mounts.lines().filter_map(upper_dir) {
            // Of parents, which this build only reads, nothing is mounted as an upper directory.
            let Ok(inside) = Path::new(upper).strip_prefix("/storage") else { continue };
            let mut size = 0;
            add(&self.storage.join(inside), self.most, &mut size);
            self.layers.insert(inside.to_owned(), size);
        }
        let mut size = self.layers.values().sum();
        add(&self.job, self.most, &mut size);
        size > self.most
    }
}

fn upper_dir(mount: &str) -> Option<&str> {
    let (_, options) = mount.split_once(" - overlay ")?;
    let (_, after) = options.split_once("upperdir=")?;
    after.split(',').next()
}

/// Adds the disk space of everything below a directory, until it is too much anyway.
fn add(dir: &Path, most: u64, size: &mut u64) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if *size > most {
            return;
        }
        let Ok(meta) = entry.path().symlink_metadata() else { continue };
        *size += meta.blocks() * 512;
        if meta.is_dir() {
            add(&entry.path(), most, size);
        }
    }
}
