//! A real factory: the `platen` program, with private servers, in a directory of its own.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::tools;

/// Where the programs are that were built together with the tests: tests are in `target/<profile>/deps`, programs above.
pub fn bin(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("a test has a program");
    let dir = here
        .ancestors()
        .skip(1)
        .find(|dir| !dir.ends_with("deps"))
        .expect("programs are in target/<profile>");
    let path = dir.join(name);
    assert!(path.exists(), "{} is not built: `cargo verify` builds every program first", path.display());
    path
}

/// A process that is ended when it is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a command; what it says goes into a file.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let out = fs::File::options().create(true).append(true).open(log).expect("a log");
        command.stdin(Stdio::null()).stdout(out.try_clone().expect("a log")).stderr(out);
        Self(command.spawn().unwrap_or_else(|e| panic!("{command:?} cannot be started: {e}")))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).expect("a pid")).expect("a pid");
        let _ = kill_process(pid, signal);
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Has it ended?
    pub fn ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let began = Instant::now();
        while !self.ended() {
            if began.elapsed() > Duration::from_secs(40) {
                self.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended() {
            self.stop();
        }
    }
}

/// A running factory.
#[derive(Debug)]
pub struct Factory {
    process: Option<Process>,
    dir: TempDir,
    only: Option<String>,
    settings: HashMap<String, String>,
    env: HashMap<String, String>,
}

impl Factory {
    /// Starts one with every service and private servers.
    pub fn start() -> Self {
        Self::with(None, &[])
    }

    /// Starts one with only these services in its process.
    pub fn only(services: &str) -> Self {
        Self::with(Some(services.to_owned()), &[])
    }

    /// Starts one with further settings, as environment variables.
    pub fn configured(settings: &[(&str, &str)]) -> Self {
        Self::with(None, settings)
    }

    fn with(only: Option<String>, settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut factory = Self { process: None, dir, only, settings, env: HashMap::new() };
        factory.up();
        factory
    }

    /// Starts it (again), and waits until it is ready.
    pub fn up(&mut self) {
        let mut command = Command::new(bin("platen"));
        command.args(["up", "--listen", "127.0.0.1:0", "--data-dir"]).arg(self.dir.path());
        command.env_remove("NATS_URL").env_remove("DATABASE_URL").env("PLATEN_RECLAIM_GRACE", "0");
        command.envs(&self.settings);
        if let Some(only) = &self.only {
            command.args(["--only", only]);
        }
        let log = self.dir.path().join("platen.log");
        let mut process = Process::start(&mut command, &log);
        let ready = self.dir.path().join("run").join(format!("{}.pid", process.0.id()));
        let began = Instant::now();
        while !ready.exists() {
            let said = || fs::read_to_string(&log).unwrap_or_default();
            assert!(!process.ended(), "the factory ended at its start:\n{}", said());
            assert!(began.elapsed() < Duration::from_secs(60), "the factory does not start:\n{}", said());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.process = Some(process);
        let text = fs::read_to_string(self.dir.path().join("platen.env")).expect("platen.env is written");
        self.env = text
            .lines()
            .filter_map(|l| l.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
    }

    /// Stops it, politely.
    pub fn down(&mut self) {
        self.process = None;
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// The most memory its process has held so far, in bytes; the private servers are processes of their own.
    pub fn peak_memory(&self) -> u64 {
        let id = self.process.as_ref().expect("it runs").0.id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").0.id()
    }

    /// Its data directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A value of `platen.env`.
    pub fn env(&self, key: &str) -> &str {
        self.env.get(key).map(String::as_str).unwrap_or_default()
    }

    /// `host:port` to pull from.
    pub fn host(&self) -> &str {
        self.env("PLATEN_URL").trim_start_matches("http://")
    }

    /// A service as a process of its own, beside this factory, on its servers and store.
    pub fn service(&self, name: &str, args: &[&str]) -> Process {
        let mut command = Command::new(bin(name));
        command.args(args).arg("--data-dir").arg(self.dir.path());
        if name != "platen" {
            command.arg("--allow-loopback");
        }
        command.env("NATS_URL", self.env("NATS_URL")).env("DATABASE_URL", self.env("DATABASE_URL"));
        Process::start(&mut command, &self.dir.path().join(format!("{name}.log")))
    }

    /// A client command.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(bin("platen"));
        command.args(args);
        for key in ["PLATEN_URL", "PLATEN_API_KEY", "PLATEN_HUB"] {
            command.env(key, self.env(key));
        }
        command
    }

    /// Runs a client command that must work; what it prints.
    pub fn run(&self, args: &[&str]) -> String {
        tools::run(&mut self.command(args))
    }

    /// Runs a client command, whatever comes of it.
    pub fn output(&self, args: &[&str]) -> Output {
        tools::output(&mut self.command(args))
    }

    /// Imports something that must go live; the image.
    pub fn import(&self, source: &str, more: &[&str]) -> Value {
        let args = [&["import", source, "-q", "-o", "json"], more].concat();
        let image: Value = serde_json::from_str(&self.run(&args)).expect("an image");
        assert_eq!(image["state"]["current"], "live", "{image:#}");
        image
    }

    /// Imports something that must fail; the image and what was said on standard error.
    pub fn import_fails(&self, source: &str, more: &[&str]) -> (Value, String) {
        let output = self.output(&[&["import", source, "-o", "json"], more].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        (serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
    }

    /// One image by the API.
    pub fn image(&self, id: &str) -> Value {
        let list: Value =
            serde_json::from_str(&self.run(&["images", "-o", "json", "--limit", "500"])).expect("images");
        list.as_array().into_iter().flatten().find(|i| i["id"] == id).cloned().unwrap_or_default()
    }

    /// Copies what is pulled by a reference into an OCI layout with skopeo.
    pub fn skopeo_pull(&self, pull: &str, layout: &Path) {
        let mut skopeo = tools::command(embedded::Program::Skopeo);
        skopeo.args(["copy", "--quiet", "--insecure-policy", "--src-tls-verify=false", "--preserve-digests"]);
        skopeo.arg(format!("--src-creds=any:{}", self.env("PLATEN_API_KEY")));
        tools::run(skopeo.arg(format!("docker://{pull}")).arg(format!("oci:{}:latest", layout.display())));
    }
}
