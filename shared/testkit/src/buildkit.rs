//! A real BuildKit: a Docker daemon in namespaces of its own, and ways to its BuildKit by TCP.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::tools;

/// A running daemon.
#[derive(Debug)]
pub struct BuildKit {
    daemon: Child,
    doors: Vec<Child>,
    dir: TempDir,
    tools: PathBuf,
}

/// A door with certificates for both sides, as PEM.
#[derive(Debug)]
pub struct Mtls {
    /// `127.0.0.1:port`.
    pub address: String,
    /// Who signed both certificates.
    pub ca: String,
    /// The client's certificate.
    pub cert: String,
    /// Its key.
    pub key: String,
}

fn spawn(command: &mut Command, log: &Path) -> Child {
    let out = fs::File::options().create(true).append(true).open(log).expect("a log");
    command.stdin(Stdio::null()).stdout(out.try_clone().expect("a log")).stderr(out);
    command.spawn().unwrap_or_else(|e| panic!("{command:?} cannot be started: {e}"))
}

impl BuildKit {
    /// Starts one. `cargo verify` has fetched it.
    pub fn start() -> Self {
        let here = std::env::current_exe().expect("a test has a program");
        let tools = here.ancestors().map(|dir| dir.join("tools/docker")).find(|dir| dir.is_dir());
        let tools = tools.expect("`cargo verify` fetches a Docker daemon into target/tools/docker first");
        let dir = tempfile::tempdir().expect("a directory");
        // containerd's snapshotter is what can write OCI layouts.
        let config =
            r#"{"features":{"containerd-snapshotter":true},"exec-opts":["native.cgroupdriver=cgroupfs"]}"#;
        fs::write(dir.path().join("daemon.json"), config).expect("a file");
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "--",
            "unshare",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
        ]);
        command.args(["--mount-proc", "--", "sh", "-c", "ip link set lo up; exec dockerd \"$@\"", "dockerd"]);
        let at = |name: &str| dir.path().join(name);
        command.arg("--config-file").arg(at("daemon.json")).arg("--data-root").arg(at("data"));
        command.arg("--exec-root").arg(at("exec")).arg("--pidfile").arg(at("pid"));
        command.arg(format!("--host=unix://{}", at("docker.sock").display()));
        command.env("PATH", path(&tools));
        let log = at("dockerd.log");
        let mut daemon = spawn(&mut command, &log);
        let began = Instant::now();
        loop {
            let mut version = Command::new(tools.join("usr/bin/docker"));
            version.arg("--host").arg(format!("unix://{}", at("docker.sock").display())).arg("version");
            if tools::output(&mut version).status.success() {
                break;
            }
            let said = || fs::read_to_string(&log).unwrap_or_default();
            assert!(daemon.try_wait().expect("a child").is_none(), "dockerd has ended:\n{}", said());
            assert!(began.elapsed() < Duration::from_secs(60), "dockerd does not become ready:\n{}", said());
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { daemon, doors: Vec::new(), dir, tools }
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// The `docker` command, with buildx.
    pub fn docker(&self) -> PathBuf {
        self.tools.join("usr/bin/docker")
    }

    /// Opens a door to BuildKit by TCP, without encryption; answers `127.0.0.1:port`.
    pub fn tcp(&mut self) -> String {
        let port = tools::free_port();
        let config = self.dir.path().join("home");
        fs::create_dir_all(&config).expect("a directory");
        let plugins = format!(
            r#"{{"cliPluginsExtraDirs":["{}/usr/libexec/docker/cli-plugins"]}}"#,
            self.tools.display()
        );
        fs::write(config.join("config.json"), plugins).expect("a file");
        let mut command = tools::command(embedded::Program::Socat);
        command.arg(format!("TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr"));
        command.arg(format!("EXEC:{} buildx dial-stdio", self.docker().display()));
        command
            .env("DOCKER_CONFIG", &config)
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        self.door(&mut command, "socat.log", port);
        format!("127.0.0.1:{port}")
    }

    /// Opens a door that asks for a certificate and shows one for `localhost`.
    pub fn mtls(&mut self) -> Mtls {
        let plain = self.tcp();
        let port = tools::free_port();
        let (ca, ca_key) = authority();
        let issuer = rcgen::Issuer::from_params(&ca.1, &ca_key);
        let issue = |name: &str| {
            let key = rcgen::KeyPair::generate().expect("a key");
            let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
            (params.signed_by(&key, &issuer).expect("a certificate").pem(), key.serialize_pem())
        };
        let (server, client) = (issue("localhost"), issue("client"));
        let at = |name: &str| self.dir.path().join(name);
        fs::write(at("server.pem"), format!("{}{}", server.0, server.1)).expect("a file");
        fs::write(at("ca.pem"), &ca.0).expect("a file");
        let config = format!(
            "global\n    log stdout format raw local0\ndefaults\n    mode tcp\n    timeout connect 5s\n    timeout client 600s\n    timeout server 600s\n\
             frontend in\n    bind 127.0.0.1:{port} ssl crt {} ca-file {} verify required alpn h2\n    default_backend out\n\
             backend out\n    server buildkit {plain}\n",
            at("server.pem").display(),
            at("ca.pem").display()
        );
        fs::write(at("haproxy.cfg"), config).expect("a file");
        let mut command = tools::command(embedded::Program::Haproxy);
        command.arg("-db").arg("-f").arg(at("haproxy.cfg"));
        self.door(&mut command, "haproxy.log", port);
        Mtls { address: format!("127.0.0.1:{port}"), ca: ca.0, cert: client.0, key: client.1 }
    }

    fn door(&mut self, command: &mut Command, log: &str, port: u16) {
        let log = self.dir.path().join(log);
        self.doors.push(spawn(command, &log));
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let said = || fs::read_to_string(&log).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(20), "nothing listens:\n{}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A certificate authority: its PEM with what it was made from, and its key.
fn authority() -> ((String, rcgen::CertificateParams), rcgen::KeyPair) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).expect("no names");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "platen test authority");
    let pem = params.self_signed(&key).expect("a certificate").pem();
    ((pem, params), key)
}

fn path(tools: &Path) -> std::ffi::OsString {
    let own = [tools.join("usr/sbin"), tools.join("usr/bin")];
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let all = own.into_iter().chain(std::env::split_paths(&usual));
    std::env::join_paths(all.chain(["/usr/sbin".into(), "/sbin".into()])).expect("a path")
}

impl Drop for BuildKit {
    fn drop(&mut self) {
        for door in &mut self.doors {
            let _ = door.kill();
            let _ = door.wait();
        }
        // Its namespaces, and with them everything that runs or is mounted there, end with the first process in them; the one
        // that made them waits for that.
        let id = self.daemon.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        for child in
            children.split_whitespace().filter_map(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?))
        {
            let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
        }
        let _ = self.daemon.wait();
    }
}
