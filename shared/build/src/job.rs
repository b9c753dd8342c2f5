//! The directory of one build, and the image storage of its hub.
//!
//! ```text
//! builds/
//!   jobs/<name>/          one build: its context, secrets, temporary files; locked while it runs, gone afterwards
//!   hubs/<hub>/           image storage of a hub: base images, cached steps, cache mounts
//!   hubs/<hub>.lock       shared by its builds; whoever has it alone may tidy
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::BuildError;

/// A build's own directory; it is removed when this is dropped.
#[derive(Debug)]
pub struct JobDir {
    name: String,
    dir: PathBuf,
    _lock: File,
}

fn disk(error: impl std::fmt::Display) -> BuildError {
    BuildError::transient("factory.disk", format!("The factory's disk cannot be written to: {error}."))
}

impl JobDir {
    /// Makes it. `name` is one that no other build of this machine has.
    ///
    /// # Errors
    /// `factory.disk`.
    pub fn make(builds: &Path, name: &str) -> Result<Self, BuildError> {
        let dir = builds.join("jobs").join(name);
        fs::create_dir_all(dir.join("work")).map_err(disk)?;
        // Secrets come to lie in it.
        fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).map_err(disk)?;
        let lock = File::create(dir.join("lock")).map_err(disk)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(disk)?;
        Ok(Self { name: name.to_owned(), dir, _lock: lock })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All of it.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Where the build context goes: `/job/context` in its sandbox.
    pub fn context(&self) -> PathBuf {
        self.work("context")
    }

    /// A place that a sandbox sees as `/job/<name>`.
    pub fn work(&self, name: &str) -> PathBuf {
        self.dir.join("work").join(name)
    }

    /// Removes what builds left behind whose factory went away.
    pub fn sweep(builds: &Path) {
        for entry in fs::read_dir(builds.join("jobs")).into_iter().flatten().flatten() {
            let Ok(lock) = File::open(entry.path().join("lock")) else { continue };
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Drop for JobDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "a build's directory could not be removed");
        }
    }
}

/// A hub's image storage, held while a build uses it.
#[derive(Debug)]
pub struct Storage {
    dir: PathBuf,
    lock: File,
}

impl Storage {
    /// Takes part in it.
    ///
    /// # Errors
    /// `factory.disk`.
    pub fn of(builds: &Path, hub: &str) -> Result<Self, BuildError> {
        let dir = builds.join("hubs").join(hub);
        fs::create_dir_all(&dir).map_err(disk)?;
        let lock = File::create(dir.with_extension("lock")).map_err(disk)?;
        flock(&lock, FlockOperation::LockShared).map_err(disk)?;
        Ok(Self { dir, lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Is nobody else using it? From now on, until the next builds ask, nobody does.
    pub(crate) fn alone(&self) -> bool {
        flock(&self.lock, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    /// Lets others in again.
    pub(crate) fn share(&self) {
        let _ = flock(&self.lock, FlockOperation::LockShared);
    }
}
