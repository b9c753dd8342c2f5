//! A server as a child process that ends with us.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// How often a server is started that ends at once: another program may have taken its port in the meantime, or the
/// children of a PostgreSQL that was killed may still be leaving.
pub(crate) const TRIES: u32 = 3;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    name: &'static str,
    log: PathBuf,
    /// What ends it politely.
    end: Signal,
}

/// How long a server may take to start: it may first have to make good what a crash left.
const START: Duration = Duration::from_secs(300);

/// How long a server may take to end once asked politely, and again once killed.
const END: Duration = Duration::from_secs(60);

impl Server {
    /// Starts a program. The kernel sends it `end` when the thread that calls this ends, however it does.
    pub(crate) fn start(
        name: &'static str,
        program: &Path,
        args: &[&OsStr],
        user: Option<&User>,
        log: PathBuf,
        end: Signal,
    ) -> Result<Self> {
        let out = fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig").arg(if end == Signal::INT { "INT" } else { "TERM" });
        if let Some(user) = user {
            command.args(user.setpriv());
        }
        // A group of its own: Ctrl-C is ours to pass on, in order.
        command.arg("--").arg(program).args(args).process_group(0);
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).kill_on_drop(true);
        let child =
            command.spawn().with_context(|| format!("{name} cannot be started ({})", program.display()))?;
        Ok(Self { child, name, log, end })
    }

    /// Waits until it is ready, or says why it is not. `ready` is given its process id, since what lies in the data
    /// directory may still be from a run that was killed.
    pub(crate) async fn until(&mut self, mut ready: impl FnMut(u32) -> bool) -> Result<()> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended at its start ({status}); the end of its log:\n{}",
                    self.name,
                    tail(&self.log)
                );
            }
            if self.child.id().is_some_and(&mut ready) {
                return Ok(());
            }
            if began.elapsed() > START {
                bail!("{} does not become ready; the end of its log:\n{}", self.name, tail(&self.log));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Has it ended?
    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Ends it politely, and by force when it does not.
    pub(crate) async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).unwrap_or(0))) {
            let _ = kill_process(pid, self.end);
        }
        if tokio::time::timeout(END, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
}

/// Ends a server that an earlier run left behind: `pid` must still be one that names `mark` on its command line.
pub(crate) async fn end_stale(pid: i32, mark: &Path, end: Signal) -> Result<()> {
    let ours = || {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&*mark.to_string_lossy())
    };
    let Some(process) = Pid::from_raw(pid).filter(|_| ours()) else { return Ok(()) };
    tracing::info!(pid, "ending a server that an earlier run left behind");
    // One that is stopped or stuck does not hear the polite word.
    for signal in [end, Signal::KILL] {
        let _ = kill_process(process, signal);
        let began = Instant::now();
        while began.elapsed() < END {
            if !ours() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    bail!("process {pid} of an earlier run does not end; end it, then try again")
}

/// Another user to run as.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// The user of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let passwd = fs::read_to_string("/etc/passwd").ok()?;
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }

    pub(crate) fn setpriv(&self) -> [String; 3] {
        [format!("--reuid={}", self.uid), format!("--regid={}", self.gid), "--clear-groups".to_owned()]
    }
}
