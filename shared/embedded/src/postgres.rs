//! The private PostgreSQL.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Signal, geteuid};
use tokio::process::Command;

use crate::child::{Server, TRIES, User, end_stale};
use crate::install::{Program, find};
use crate::secret;

const DATABASE: &str = "platen";

#[derive(Debug)]
pub(crate) struct Postgres {
    server: Server,
    url: String,
}

impl Postgres {
    pub(crate) async fn start(data_dir: &Path, fsync: bool) -> Result<Self> {
        let bin = find(Program::Postgres)?;
        let bin = bin.parent().context("postgres is in a directory")?;
        let dir = data_dir.join("postgres");
        let data = dir.join("data");
        fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        let user = other_user(&dir)?;
        if let Some(pid) = status(&data).first().and_then(|pid| pid.trim().parse().ok()) {
            end_stale(pid, &data, Signal::INT).await?;
        }
        let password = secret::password(&dir)?;
        if !data.join("PG_VERSION").exists() {
            init(bin, &dir, &data, user.as_ref()).await?;
        }
        let mut tries = 1;
        loop {
            let port = secret::port(&dir).await?;
            let mut server = spawn(bin, &dir, &data, user.as_ref(), port, fsync)?;
            match server.until(|pid| ready(&data, pid)).await {
                Ok(()) => {
                    create_database(bin, port, &password).await?;
                    let url = format!("postgres://platen:{password}@127.0.0.1:{port}/{DATABASE}");
                    return Ok(Self { server, url });
                }
                Err(error) if tries == TRIES || !server.ended() => return Err(error),
                Err(error) => tracing::warn!("{error:#}"),
            }
            tries += 1;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }
}

fn spawn(bin: &Path, dir: &Path, data: &Path, user: Option<&User>, port: u16, fsync: bool) -> Result<Server> {
    let durable = if fsync { "on" } else { "off" };
    let settings = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        // Only over TCP, where a password is asked: a socket's path could also be too long.
        "unix_socket_directories=".to_owned(),
        "max_connections=200".to_owned(),
        format!("fsync={durable}"),
        format!("synchronous_commit={durable}"),
        "log_min_messages=warning".to_owned(),
    ];
    let mut args: Vec<&OsStr> = vec!["-D".as_ref(), data.as_os_str()];
    for setting in &settings {
        args.extend(["-c".as_ref(), OsStr::new(setting)]);
    }
    Server::start("PostgreSQL", &bin.join("postgres"), &args, user, dir.join("log"), Signal::INT)
}

/// The first line of the pid file tells whose it is, the eighth how far it is (src/include/utils/pidfile.h). After a
/// power cut, a file that says `ready` is still there from a server that is not.
fn ready(data: &Path, pid: u32) -> bool {
    let lines = status(data);
    let line = |at: usize| lines.get(at).map(|line| line.trim()).unwrap_or_default();
    line(0) == pid.to_string() && line(7) == "ready"
}

fn status(data: &Path) -> Vec<String> {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// PostgreSQL refuses to run as root: then it runs as the user `postgres` of Debian's package, who must own its data
/// and be able to reach it.
fn other_user(dir: &Path) -> Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let user = User::named("postgres")
        .or_else(|| User::named("nobody"))
        .context("there is no user to run PostgreSQL as")?;
    chown(dir, Some(user.uid), Some(user.gid))
        .with_context(|| format!("{} cannot be given away", dir.display()))?;
    let dir = dir.canonicalize()?;
    for (above, parent) in dir.ancestors().skip(1).enumerate() {
        let meta = parent.metadata()?;
        let mode = meta.permissions().mode();
        if mode & 0o001 != 0 || meta.uid() == user.uid {
            continue;
        }
        // The data directory itself is ours to open a little: to pass through, not to look into.
        if above == 0 {
            fs::set_permissions(parent, fs::Permissions::from_mode(mode | 0o011))?;
        } else {
            bail!(
                "PostgreSQL cannot run as root, and its own user may not pass through {0}; \
                 choose a data directory elsewhere (as /var/lib/platen), or run `chmod o+x {0}`",
                parent.display()
            );
        }
    }
    Ok(Some(user))
}

fn run_as(program: PathBuf, user: Option<&User>) -> Command {
    let mut command = match user {
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.args(user.setpriv()).arg("--").arg(program);
            command
        }
        None => Command::new(program),
    };
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn init(bin: &Path, dir: &Path, data: &Path, user: Option<&User>) -> Result<()> {
    // A first run that was interrupted: initdb wants an empty directory.
    let half = dir.join("data.new");
    let _ = fs::remove_dir_all(&half);
    let password = dir.join("password");
    if let Some(user) = user {
        chown(&password, Some(user.uid), Some(user.gid))?;
    }
    let mut pwfile = OsString::from("--pwfile=");
    pwfile.push(&password);
    let mut command = run_as(bin.join("initdb"), user);
    command.arg("-D").arg(&half).arg(pwfile).args([
        "--username=platen",
        "--auth=scram-sha-256",
        "--locale=C.UTF-8",
        "--encoding=UTF8",
        "--no-instructions",
    ]);
    // The caller's directory may be closed to that user.
    let done = command.current_dir(dir).output().await.context("initdb cannot be run")?;
    if !done.status.success() {
        bail!("initdb failed ({}):\n{}", done.status, String::from_utf8_lossy(&done.stderr));
    }
    fs::rename(&half, data)?;
    Ok(())
}

async fn create_database(bin: &Path, port: u16, password: &str) -> Result<()> {
    let mut command = run_as(bin.join("createdb"), None);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "platen", DATABASE]);
    let done = command.env("PGPASSWORD", password).output().await.context("createdb cannot be run")?;
    let said = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() && !said.contains("already exists") {
        bail!("the database cannot be made ({}): {said}", done.status);
    }
    Ok(())
}
