//! The private servers, started for real: what survives, what is refused, and what is left behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on panics")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use embedded::install::{self, Program};
use embedded::{Embedded, Options};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

#[tokio::test]
async fn a_restart_keeps_data_and_addresses() {
    let dir = reachable();
    let first = start(dir.path()).await;
    let (nats, database) = urls(&first);
    assert!(sql(&database, "create table kept (a int); insert into kept values (7)").status.success());
    first.stop().await;
    assert!(!sql(&database, "select 1").status.success(), "it was stopped");
    let second = start(dir.path()).await;
    assert_eq!(urls(&second), (nats.clone(), database.clone()));
    assert_eq!(sql(&database, "select a from kept").stdout, b"7\n");
    assert!(nats_says(&nats, true).contains("PONG"));
    second.stop().await;
}

#[tokio::test]
async fn servers_that_were_killed_start_again() {
    let dir = reachable();
    // With fsync: what was committed must be there.
    let first = Embedded::start(Options::new(dir.path(), true, true)).await.unwrap();
    let (nats, database) = urls(&first);
    assert!(sql(&database, "create table kept (a int); insert into kept values (7)").status.success());
    // As a power cut: nobody tidies the pid files, and PostgreSQL's still says `ready`.
    for pid in pids(dir.path()) {
        let _ = kill_process(pid, Signal::KILL);
    }
    drop(first);
    assert!(dir.path().join("postgres/data/postmaster.pid").exists());
    let second = start(dir.path()).await;
    assert_eq!(urls(&second), (nats.clone(), database.clone()));
    assert_eq!(sql(&database, "select a from kept").stdout, b"7\n");
    assert!(nats_says(&nats, true).contains("PONG"));
    second.stop().await;
}

#[tokio::test]
async fn a_second_factory_in_one_directory_is_refused() {
    let dir = reachable();
    let first = start(dir.path()).await;
    let error = Embedded::start(options(dir.path())).await.expect_err("the directory is taken");
    assert!(error.to_string().contains("another factory is running"), "{error:#}");
    assert!(sql(&urls(&first).1, "select 1").status.success(), "the first goes on");
    first.stop().await;
}

#[tokio::test]
async fn nobody_comes_in_without_the_password() {
    let dir = reachable();
    let servers = start(dir.path()).await;
    let (nats, database) = urls(&servers);
    assert!(nats_says(&nats, true).contains("PONG"));
    assert!(nats_says(&nats, false).contains("Authorization Violation"));
    let secret = password(&database);
    let said = sql(&database.replace(&secret, "wrong"), "select 1");
    assert!(String::from_utf8_lossy(&said.stderr).contains("password authentication failed"), "{said:?}");
    for file in ["nats/password", "nats/nats.conf", "postgres/password"] {
        let mode = fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    for pid in pids(dir.path()) {
        let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap();
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(!line.is_empty());
        assert!(!line.contains(&secret) && !line.contains(&password(&nats)), "{line}");
    }
    servers.stop().await;
}

#[tokio::test]
async fn a_first_run_that_was_cut_off_is_taken_up_again() {
    let dir = reachable();
    for server in ["nats", "postgres"] {
        fs::create_dir(dir.path().join(server)).unwrap();
        // Made, but not yet written.
        fs::write(dir.path().join(server).join("password"), "").unwrap();
        fs::write(dir.path().join(server).join("port"), "").unwrap();
    }
    fs::create_dir(dir.path().join("postgres/data.new")).unwrap();
    fs::write(dir.path().join("postgres/data.new/half"), "a half-made cluster").unwrap();
    let servers = start(dir.path()).await;
    let (nats, database) = urls(&servers);
    assert!(password(&nats).len() >= 32 && password(&database).len() >= 32);
    assert!(nats_says(&nats, false).contains("Authorization Violation"));
    assert!(sql(&database, "select 1").status.success());
    servers.stop().await;
}

#[tokio::test]
async fn a_port_that_was_taken_meanwhile_is_given_up() {
    let dir = reachable();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for server in ["nats", "postgres"] {
        fs::create_dir(dir.path().join(server)).unwrap();
        fs::write(dir.path().join(server).join("port"), port.to_string()).unwrap();
    }
    let servers = start(dir.path()).await;
    let (nats, database) = urls(&servers);
    assert!(!nats.ends_with(&format!(":{port}")), "{nats}");
    assert!(nats_says(&nats, true).contains("PONG"));
    assert!(sql(&database, "select 1").status.success());
    servers.stop().await;
}

#[test]
fn a_relative_directory_is_as_good() {
    let dir = reachable();
    let helper = Helper::start(dir.path(), "data", None);
    assert!(sql(&helper.urls.1, "select 1").status.success());
    assert!(dir.path().join("data/postgres/data/PG_VERSION").exists());
    helper.stop();
}

#[tokio::test]
async fn a_server_left_behind_is_ended_first() {
    let dir = reachable();
    let servers = start(dir.path()).await;
    let (nats, _) = urls(&servers);
    servers.stop().await;
    let mut command = Command::new(install::find(Program::NatsServer).unwrap());
    command.arg("-c").arg(dir.path().join("nats/nats.conf")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut left = Kill(command.spawn().unwrap());
    until("the server left behind listens", || {
        fs::read_to_string(dir.path().join("nats/nats.pid")).is_ok_and(|pid| pid == left.0.id().to_string())
            && TcpStream::connect(address(&nats)).is_ok()
    });
    // Somebody must collect it once it ends: this process is its parent, which in life is gone.
    let waiting = std::thread::spawn(move || left.0.wait().unwrap());
    let again = start(dir.path()).await;
    waiting.join().unwrap();
    assert_eq!(urls(&again).0, nats, "its port became free for ours");
    assert!(nats_says(&nats, true).contains("PONG"));
    again.stop().await;
}

#[test]
fn servers_end_when_their_parent_is_killed() {
    let dir = reachable();
    let parent = Helper::start(dir.path(), "data", None);
    let pids = pids(&dir.path().join("data"));
    assert_eq!(pids.len(), 2);
    drop(parent);
    until("both servers end", || pids.iter().all(|pid| !runs(*pid)));
}

#[test]
fn an_ordinary_user_can_run_them() {
    let dir = reachable();
    let root = geteuid().is_root();
    if root {
        chown(dir.path(), Some(65534), Some(65534)).unwrap();
    }
    let helper = Helper::start(dir.path(), "data", root.then_some(65534));
    assert!(nats_says(&helper.urls.0, true).contains("PONG"));
    assert!(sql(&helper.urls.1, "select 1").status.success());
    let pids = pids(&dir.path().join("data"));
    helper.stop();
    assert!(pids.iter().all(|pid| !runs(*pid)), "it stopped what it started");
}

/// Not a test: what [`Helper`] runs in a process of its own.
#[test]
#[ignore = "a part of other tests"]
fn helper() {
    let Some(dir) = std::env::var_os("HELPER_DIR").map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let servers = runtime.block_on(start(&dir));
    let (nats, database) = urls(&servers);
    fs::write(dir.join("urls.new"), format!("{nats}\n{database}")).unwrap();
    fs::rename(dir.join("urls.new"), dir.join("urls")).unwrap();
    // Until the other side closes.
    let _ = std::io::stdin().read(&mut [0]);
    runtime.block_on(servers.stop());
}

/// Servers that another process started, in a directory below its working directory. Dropping kills that process.
struct Helper {
    process: Kill,
    urls: (String, String),
}

impl Helper {
    fn start(dir: &Path, data_dir: &str, user: Option<u32>) -> Self {
        // Another user may not be able to reach the build directory.
        let program = dir.join("helper");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let mut command = match user {
            Some(id) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={id}"), &format!("--regid={id}"), "--clear-groups", "--"]);
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        let log = fs::File::create(dir.join("helper.log")).unwrap();
        command
            .args(["--ignored", "--exact", "helper", "--nocapture"])
            .env("HELPER_DIR", data_dir)
            .current_dir(dir);
        command.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = Kill(command.spawn().unwrap());
        until("the helper is ready", || {
            let ended = child.0.try_wait().unwrap();
            let said = || fs::read_to_string(dir.join("helper.log")).unwrap();
            assert!(ended.is_none(), "the helper ended:\n{}", said());
            dir.join(data_dir).join("urls").exists()
        });
        let said = fs::read_to_string(dir.join(data_dir).join("urls")).unwrap();
        let (nats, database) = said.split_once('\n').unwrap();
        Self { process: child, urls: (nats.to_owned(), database.to_owned()) }
    }

    fn stop(mut self) {
        drop(self.process.0.stdin.take());
        assert!(self.process.0.wait().unwrap().success());
    }
}

/// A child that is killed when a test ends early.
struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn options(dir: &Path) -> Options {
    Options { fsync: false, ..Options::new(dir, true, true) }
}

async fn start(dir: &Path) -> Embedded {
    Embedded::start(options(dir)).await.unwrap_or_else(|error| panic!("{error:#}"))
}

fn urls(servers: &Embedded) -> (String, String) {
    (servers.nats_url().unwrap().to_owned(), servers.database_url().unwrap().to_owned())
}

/// A directory that other users may pass through.
fn reachable() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn sql(url: &str, text: &str) -> Output {
    let psql = install::find(Program::Postgres).unwrap().with_file_name("psql");
    Command::new(psql).args(["-XAtq", "-w", "-d", url, "-c", text]).stdin(Stdio::null()).output().unwrap()
}

fn address(url: &str) -> &str {
    url.rsplit_once('@').unwrap().1
}

fn password(url: &str) -> String {
    url.rsplit_once('@').unwrap().0.rsplit_once(':').unwrap().1.to_owned()
}

/// What the server answers to a greeting with or without the password (docs of the NATS client protocol).
fn nats_says(url: &str, with_password: bool) -> String {
    let stream = TcpStream::connect(address(url)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("INFO "));
    let who =
        if with_password { format!(r#","user":"platen","pass":"{}""#, password(url)) } else { String::new() };
    write!(&stream, "CONNECT {{\"verbose\":false{who}}}\r\nPING\r\n").unwrap();
    lines.next().unwrap().unwrap()
}

/// The servers that run in a data directory.
fn pids(dir: &Path) -> Vec<Pid> {
    let files = ["nats/nats.pid", "postgres/data/postmaster.pid"].map(|file| dir.join(file));
    let first = |path: &PathBuf| fs::read_to_string(path).unwrap().lines().next().unwrap().parse().unwrap();
    files.iter().map(|path| Pid::from_raw(first(path)).unwrap()).collect()
}

/// Does it run? One that ended and that nobody collected yet has no command line.
fn runs(pid: Pid) -> bool {
    fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).is_ok_and(|line| !line.is_empty())
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        std::thread::yield_now();
    }
}
