//! A real registry: CNCF Distribution.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use embedded::Program;
use tempfile::TempDir;

use crate::image::{Image, write_dir};
use crate::tools;

/// User and password of a registry that asks for them.
pub const LOGIN: (&str, &str) = ("somebody", "s3cret-of-somebody");

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    dir: TempDir,
    port: u16,
    login: bool,
}

impl Registry {
    /// Starts one that lets everybody in.
    pub fn start() -> Self {
        Self::with(false)
    }

    /// Starts one that asks for [`LOGIN`].
    pub fn with_login() -> Self {
        Self::with(true)
    }

    fn with(login: bool) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = tools::free_port();
        let auth = if login {
            let (user, password) = LOGIN;
            let line = tools::run(tools::command(Program::Htpasswd).args(["-Bbn", user, password]));
            fs::write(dir.path().join("users"), line.trim()).expect("a file");
            format!("auth: {{htpasswd: {{realm: test, path: {}/users}}}}\n", dir.path().display())
        } else {
            String::new()
        };
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}/data}}}}\n\
             http: {{addr: 127.0.0.1:{port}}}\n{auth}",
            dir.path().display()
        );
        fs::write(dir.path().join("config.yml"), config).expect("a file");
        let child = tools::command(Program::DockerRegistry)
            .arg("serve")
            .arg(dir.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the registry starts");
        let registry = Self { child, dir, port, login };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "the registry does not listen");
            std::thread::yield_now();
        }
        registry
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Pushes an image; answers the reference to import.
    pub fn push(&self, image: &Image, name: &str) -> String {
        self.push_layout(&image.layout(), name)
    }

    /// Pushes everything that an OCI image layout calls `latest`; answers the reference to import.
    pub fn push_layout(&self, files: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
        let layout = self.dir.path().join(format!("layout-{}", name.replace(['/', ':'], "-")));
        write_dir(files, &layout).expect("a layout");
        let reference = format!("{}/{name}", self.host());
        let mut skopeo = tools::command(Program::Skopeo);
        skopeo.args([
            "copy",
            "--all",
            "--quiet",
            "--insecure-policy",
            "--dest-tls-verify=false",
            "--preserve-digests",
        ]);
        if self.login {
            skopeo.arg(format!("--dest-creds={}:{}", LOGIN.0, LOGIN.1));
        }
        tools::run(
            skopeo.arg(format!("oci:{}:latest", layout.display())).arg(format!("docker://{reference}")),
        );
        reference
    }

    /// The file of a blob, to be damaged.
    pub fn blob_file(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let root: &Path = self.dir.path();
        root.join(format!("data/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
