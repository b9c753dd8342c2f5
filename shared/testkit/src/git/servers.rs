//! Servers of git's other protocols.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use embedded::Program;
use tempfile::TempDir;

use super::{Repos, command};
use crate::tools;

/// `git daemon`.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    /// Serves repositories.
    pub fn start(repos: &Repos) -> Self {
        // `git daemon` would be the parent of the program that listens.
        let dir = tools::run(command().arg("--exec-path"));
        let port = tools::free_port();
        let child = Command::new(Path::new(dir.trim()).join("git-daemon"))
            .args(["--listen=127.0.0.1", "--export-all", "--reuseaddr"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", repos.root().display()))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("git-daemon starts");
        let daemon = Self { child, port };
        listens(port);
        daemon
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A key for ssh.
#[derive(Debug, Clone)]
pub struct Key {
    /// The private key, as OpenSSH writes it.
    pub private: String,
    /// The line of the public key.
    pub public: String,
}

impl Key {
    /// Makes one, which the passphrase opens unless it is empty.
    pub fn new(passphrase: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("key");
        let mut keygen = tools::command(Program::SshKeygen);
        tools::run(keygen.args(["-q", "-t", "ed25519", "-C", "test", "-N", passphrase, "-f"]).arg(&file));
        let read = |path: PathBuf| fs::read_to_string(path).expect("a key");
        Self { private: read(file.clone()), public: read(file.with_extension("pub")) }
    }
}

/// `sshd`, which lets one key in as whoever runs the test.
#[derive(Debug)]
pub struct Sshd {
    child: Child,
    dir: TempDir,
    port: u16,
    host_key: Key,
}

impl Sshd {
    /// Starts one.
    pub fn start(key: &Key) -> Self {
        // It wants one for the processes that it trusts least, if it is root.
        let _ = fs::create_dir_all("/run/sshd");
        let dir = tempfile::tempdir().expect("a directory");
        let port = tools::free_port();
        let host_key = Key::new("");
        let (root, file) = (dir.path().display(), |name: &str| dir.path().join(name));
        fs::write(file("authorized"), &key.public).expect("a file");
        fs::write(file("host_key"), &host_key.private).expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(file("host_key"), mode).expect("a mode");
        // It puts things in place of percent signs.
        let keys = file("authorized").display().to_string().replace('%', "%%");
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey \"{root}/host_key\"\nAuthorizedKeysFile \"{keys}\"\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n\
             AcceptEnv GIT_PROTOCOL\n"
        );
        fs::write(file("config"), config).expect("a file");
        let child = tools::command(Program::Sshd)
            .args(["-D", "-e", "-f"])
            .arg(file("config"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(file("log")).expect("a file"))
            .spawn()
            .expect("sshd starts");
        let sshd = Self { child, dir, port, host_key };
        listens(port);
        sshd
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a repository.
    pub fn url(&self, path: &Path) -> String {
        let user = tools::run(Command::new("id").arg("-un"));
        let path = path.display().to_string().replace('%', "%25").replace(' ', "%20");
        format!("ssh://{}@127.0.0.1:{}{path}", user.trim(), self.port)
    }

    /// Its public key.
    pub fn host_key(&self) -> &str {
        &self.host_key.public
    }

    /// What it has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn listens(port: u16) {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody listens on {port}");
        std::thread::yield_now();
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
