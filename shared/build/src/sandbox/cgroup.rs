//! What a sandbox may take of memory and processes, held by the kernel: a control group of either version.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Limits;

/// The control groups of one sandbox; they are removed when this is dropped, with whatever is still in them.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
}

/// How often, and how long after each other, it is tried to remove a group: its processes are being ended.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

impl Cgroups {
    /// Makes them below the group that this process is in. One that this machine does not give is left out.
    pub(super) fn make(name: &str, limits: &Limits) -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut made = Self::default();
        for line in own.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            let of = |controller: &str| controllers.split(',').any(|one| one == controller);
            let below =
                |mount: &str| Path::new("/sys/fs/cgroup").join(mount).join(path.trim_start_matches('/'));
            if of("memory") {
                made.memory = group(&below("memory"), name, |dir| {
                    set(dir, "memory.limit_in_bytes", limits.memory)?;
                    // Not every kernel counts swap.
                    let _ = set(dir, "memory.memsw.limit_in_bytes", limits.memory);
                    Some(())
                });
            }
            if of("pids") {
                made.pids = group(&below("pids"), name, |dir| set(dir, "pids.max", limits.processes));
            }
            if controllers.is_empty() && made.memory.is_none() && made.pids.is_none() {
                made = Self::unified(&below(""), name, limits);
            }
        }
        made
    }

    /// Version 2: one group for both. A group that has processes hands no controllers down, so those in ours move into a leaf.
    fn unified(own: &Path, name: &str, limits: &Limits) -> Self {
        let control = own.join("cgroup.subtree_control");
        if fs::write(&control, "+memory +pids").is_err() {
            let leaf = own.join("platen.main");
            let _ = fs::create_dir(&leaf);
            let processes = fs::read_to_string(own.join("cgroup.procs")).unwrap_or_default();
            for process in processes.lines() {
                let _ = fs::write(leaf.join("cgroup.procs"), process);
            }
            let _ = fs::write(&control, "+memory +pids");
        }
        let dir = group(own, name, |dir| {
            set(dir, "pids.max", limits.processes)?;
            set(dir, "memory.max", limits.memory)?;
            let _ = set(dir, "memory.swap.max", 0);
            Some(())
        });
        Self { memory: dir.clone(), pids: dir }
    }

    /// Do memory and processes have a bound here?
    pub(super) fn hold(&self) -> bool {
        self.memory.is_some() && self.pids.is_some()
    }

    /// The directories that the first process joins.
    pub(super) fn directories(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = self.memory.iter().chain(&self.pids).cloned().collect();
        all.dedup();
        all
    }

    /// How often the kernel ended a process because memory had run out.
    pub(super) fn out_of_memory(&self) -> u64 {
        let Some(dir) = &self.memory else { return 0 };
        count(&dir.join("memory.events"), "oom_kill").max(count(&dir.join("memory.oom_control"), "oom_kill"))
    }

    /// How often a process could not be started because there were too many.
    pub(super) fn refused(&self) -> u64 {
        self.pids.as_ref().map_or(0, |dir| count(&dir.join("pids.events"), "max"))
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for dir in self.directories() {
            for _ in 0..TRIES {
                let processes = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
                for process in processes.lines().filter_map(|line| line.parse().ok()) {
                    if let Some(process) = rustix::process::Pid::from_raw(process) {
                        let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
                    }
                }
                match fs::remove_dir(&dir) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => std::thread::sleep(PAUSE),
                    _ => break,
                }
            }
        }
    }
}

/// What control groups of sandboxes are called by.
const PREFIX: &str = "platen-";

/// Removes those that have no processes any more.
pub(super) fn sweep() {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let dir = Path::new("/sys/fs/cgroup").join(controllers).join(path.trim_start_matches('/'));
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                // The kernel refuses to remove one that is in use.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

fn group(parent: &Path, name: &str, limit: impl FnOnce(&Path) -> Option<()>) -> Option<PathBuf> {
    let dir = parent.join(format!("{PREFIX}{name}"));
    fs::create_dir(&dir).ok()?;
    if limit(&dir).is_none() {
        let _ = fs::remove_dir(&dir);
        return None;
    }
    Some(dir)
}

fn set(dir: &Path, file: &str, value: u64) -> Option<()> {
    fs::write(dir.join(file), value.to_string()).ok()
}

fn count(file: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = |line: &str| line.strip_prefix(name)?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}
