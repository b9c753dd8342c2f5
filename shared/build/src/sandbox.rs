//! Where a program of somebody else runs: its own processes, network, mounts and root, with bounds that the kernel holds.
//!
//! ```text
//! open ─► (listen, connect: its network, before anything runs in it) ─► run ─► everything in it is ended
//! ```
//!
//! `unshare` makes the namespaces, a script (`init.sh`) the root. The kernel ends all of it when its first process ends, and
//! that one when we do.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use ipnet::IpNet;
use model::log::Stream;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::ChildStdout;

use crate::process::{Ears, Group};
use crate::{BuildError, Limits};

mod cgroup;
mod disk;
mod network;

use cgroup::Cgroups;
use disk::Written;

const INIT: &str = include_str!("sandbox/init.sh");

/// How often it is looked what a build has taken.
const LOOK: Duration = Duration::from_millis(500);

/// After so many processes that could not be started a build is past saving, and may well be a bomb.
const BOMB: u64 = 16;

/// What a sandbox is made from.
#[derive(Debug)]
pub struct Plan<'a> {
    /// A name that no other sandbox of this machine has just now.
    pub name: &'a str,
    /// Its own directory; `work` in it is `/job` inside.
    pub job: &'a Path,
    /// The image storage, `/storage` inside.
    pub storage: &'a Path,
    /// The name of its cache mounts.
    pub scope: &'a str,
    /// Temporary files go to the disk; to memory where false.
    pub use_disk: bool,
    /// Its bounds.
    pub limits: &'a Limits,
    /// The program and its arguments.
    pub command: &'a [OsString],
    /// Configuration files for `/etc/containers`, by their names.
    pub files: &'a [(&'a str, String)],
}

/// A program that waits to be let run.
#[derive(Debug)]
pub struct Sandbox {
    // The processes end before their control groups are removed.
    group: Group,
    /// The first process that is inside.
    inside: u32,
    out: BufReader<ChildStdout>,
    outside: Option<Group>,
    cgroups: Cgroups,
    written: Written,
    limits: Limits,
}

impl Sandbox {
    /// Makes one. Nothing of the program runs yet.
    ///
    /// # Errors
    /// `builder.unavailable` when this machine does not let us.
    pub async fn open(plan: Plan<'_>) -> Result<Self, BuildError> {
        let unavailable = |told: String| {
            BuildError::transient(
                "builder.unavailable",
                format!("Nothing can be built on this machine: {told}."),
            )
        };
        if !rustix::process::geteuid().is_root() {
            return Err(unavailable(
                "the factory does not run as root; choose another builder for this".into(),
            ));
        }
        let wrong = |e: std::io::Error| unavailable(e.to_string());
        let etc = plan.job.join("containers");
        tokio::fs::create_dir_all(&etc).await.map_err(wrong)?;
        tokio::fs::create_dir_all(plan.job.join("work")).await.map_err(wrong)?;
        tokio::fs::create_dir_all(plan.storage).await.map_err(wrong)?;
        for (name, text) in plan.files {
            tokio::fs::write(etc.join(name), text).await.map_err(wrong)?;
        }
        let names = format!("nameserver {}\n", network::NAME_SERVER);
        tokio::fs::write(plan.job.join("resolv.conf"), names).await.map_err(wrong)?;
        let init = plan.job.join("init.sh");
        tokio::fs::write(&init, INIT).await.map_err(wrong)?;

        let cgroups = Cgroups::make(plan.name, plan.limits);
        let groups = cgroups.directories();
        let groups: Vec<&OsStr> = groups.iter().map(|dir| dir.as_os_str()).collect();
        let temporary = if plan.use_disk { "disk".to_owned() } else { (plan.limits.memory / 2).to_string() };
        let mut command = Group::command("unshare");
        command.args(["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--", "sh"]);
        command
            .arg(&init)
            .arg(plan.job)
            .arg(plan.storage)
            .arg(plan.scope)
            .arg(temporary)
            .arg(groups.join(OsStr::new(":")));
        command.arg("--").args(plan.command);
        command.env_clear().envs([("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")]);
        command.envs([("HOME", "/job/home"), ("TMPDIR", "/tmp"), ("LANG", "C.UTF-8")]);
        command.stdin(Stdio::piped());
        let mut group = Group::spawn(&mut command)?;
        let out = group.child.stdout.take().ok_or_else(|| unavailable("it has no output".into()))?;
        let mut out = BufReader::new(out);
        let mut line = String::new();
        let read = out.read_line(&mut line).await;
        if read.is_err() || line.trim() != "ready" {
            let mut said = String::new();
            if let Some(err) = group.child.stderr.take() {
                let _ = BufReader::new(err).read_line(&mut said).await;
            }
            return Err(unavailable(format!("its sandbox cannot be made ({})", said.trim())));
        }
        let outer = group.child.id().unwrap_or_default();
        let children = tokio::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).await;
        let inside = children.ok().and_then(|text| text.split_whitespace().next()?.parse().ok());
        let inside = inside.ok_or_else(|| unavailable("its sandbox has ended".into()))?;
        let written = Written::new(plan.job, plan.storage, plan.limits.disk);
        Ok(Self { group, inside, out, outside: None, cgroups, written, limits: plan.limits.clone() })
    }

    /// Do memory and processes have a bound on this machine?
    pub fn is_bounded(&self) -> bool {
        self.cgroups.hold()
    }

    /// Opens a port on its loopback, and on nobody else's.
    ///
    /// # Errors
    /// `builder.network`.
    pub async fn listen(&self) -> Result<TcpListener, BuildError> {
        network::listen(self.inside).await
    }

    /// Connects it with public addresses, and with the networks that the operator allows.
    ///
    /// # Errors
    /// `builder.network`.
    pub async fn connect(&mut self, allowed: &[IpNet]) -> Result<(), BuildError> {
        self.outside = Some(network::connect(self.inside, allowed).await?);
        Ok(())
    }

    /// Lets the program run, hears it out, and waits for its end. When this ends, however it does, nothing in the sandbox runs
    /// any more.
    ///
    /// # Errors
    /// `build.time`, `build.disk`, `build.memory`, `build.processes`, `build.log`, `build.log_line`: the limits.
    pub async fn run(mut self, ears: &Ears) -> Result<ExitStatus, BuildError> {
        if let Some(mut word) = self.group.child.stdin.take() {
            let _ = word.write_all(b"go\n").await;
        }
        let err = self.group.child.stderr.take();
        let heard = async {
            let err = async {
                match err {
                    Some(err) => ears.hear(Stream::Stderr, err).await,
                    None => Ok(()),
                }
            };
            tokio::try_join!(ears.hear(Stream::Stdout, &mut self.out), err)
        };
        let watched = watch(&self.cgroups, self.written, self.inside);
        let time = self.limits.time;
        let result = tokio::select! {
            heard = heard => heard.map(|_| ()),
            error = watched => Err(error),
            () = tokio::time::sleep(time) => {
                let told = format!("The build was not done within {} seconds.", time.as_secs());
                Err(BuildError::permanent("build.time", told))
            }
        };
        // Its streams are closed by now, or it has to go.
        if result.is_err() {
            self.group.kill();
        }
        let status = self.group.wait().await;
        result?;
        let status = status.map_err(|e| BuildError::transient("builder.unavailable", e.to_string()))?;
        if !status.success() {
            bounds(&self.cgroups, &self.limits, 1)?;
        }
        Ok(status)
    }
}

/// Ends with a reason once the build has taken more than it may.
async fn watch(cgroups: &Cgroups, mut written: Written, inside: u32) -> BuildError {
    loop {
        tokio::time::sleep(LOOK).await;
        if cgroups.refused() >= BOMB {
            return too_many_processes();
        }
        let looked = tokio::task::spawn_blocking(move || (written.is_too_much(inside), written)).await;
        match looked {
            Ok((false, back)) => written = back,
            Ok((true, _)) => {
                return BuildError::permanent("build.disk", "The build wrote more to the disk than it may.");
            }
            Err(_) => return BuildError::transient("builder.unavailable", "A thread of the factory ended."),
        }
    }
}

fn too_many_processes() -> BuildError {
    BuildError::permanent("build.processes", "The build started more processes than it may.")
}

/// Did a build that failed run into a bound?
fn bounds(cgroups: &Cgroups, limits: &Limits, few: u64) -> Result<(), BuildError> {
    if cgroups.out_of_memory() > 0 {
        let told = format!("The build needed more than {} MiB of memory.", limits.memory >> 20);
        return Err(BuildError::permanent("build.memory", told));
    }
    if cgroups.refused() >= few { Err(too_many_processes()) } else { Ok(()) }
}

/// Removes control groups of sandboxes that are gone.
pub fn sweep() {
    cgroup::sweep();
}

/// Where a sandbox has things, as its programs see them.
pub fn inside(name: &str) -> PathBuf {
    Path::new("/job").join(name)
}
