//! What a build has written to the disk.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::size;

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
            let size = size::on_disk(&self.storage.join(inside), self.most);
            self.layers.insert(inside.to_owned(), size);
        }
        let layers = self.layers.values().fold(0u64, |sum, size| sum.saturating_add(*size));
        layers.saturating_add(size::on_disk(&self.job, self.most)) > self.most
    }
}

fn upper_dir(mount: &str) -> Option<&str> {
    let (_, options) = mount.split_once(" - overlay ")?;
    let (_, after) = options.split_once("upperdir=")?;
    after.split(',').next()
}
