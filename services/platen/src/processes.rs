//! Which processes run the factory of a data directory: one file each in `run/`, named by process id.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// A process that said it runs `platen up` here.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) pid: i32,
    file: PathBuf,
}

/// The mark of this process; gone when dropped.
#[derive(Debug)]
pub(crate) struct Mark(PathBuf);

impl Drop for Mark {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn dir(data_dir: &Path) -> PathBuf {
    data_dir.join("run")
}

/// Says that this process runs here, and is ready.
pub(crate) fn mark(data_dir: &Path) -> Result<Mark> {
    let dir = dir(data_dir);
    fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let file = dir.join(format!("{}.pid", std::process::id()));
    fs::write(&file, "")?;
    Ok(Mark(file))
}

/// The processes that run here. Marks of processes that were killed are cleared away.
pub(crate) fn running(data_dir: &Path) -> Result<Vec<Process>> {
    let Ok(entries) = fs::read_dir(dir(data_dir)) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let file = entry?.path();
        let pid = file.file_stem().and_then(|name| name.to_str()?.parse().ok());
        if let Some(pid) = pid {
            let process = Process { pid, file };
            if process.is_running() {
                found.push(process);
            } else {
                let _ = fs::remove_file(&process.file);
            }
        }
    }
    Ok(found)
}

impl Process {
    /// Does it still run, and is it still `platen up`? Process ids are used again.
    pub(crate) fn is_running(&self) -> bool {
        let Ok(command) = fs::read(format!("/proc/{}/cmdline", self.pid)) else { return false };
        let mut words = command.split(|b| *b == 0);
        let program = words.next().unwrap_or_default();
        let is_platen =
            Path::new(&*String::from_utf8_lossy(program)).file_name().is_some_and(|name| name == "platen");
        is_platen && words.next() == Some(b"up")
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}
