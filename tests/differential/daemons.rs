//! docker and containerd, each with a private daemon of our own: found on the PATH, started once, ended with us.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::image::{self, Image, Packing};
use testkit::stack::{Tree, read_dir};

use crate::tools::{quiet, unmount_below};

/// A daemon with everything it has in a directory that goes with it.
pub(crate) struct Daemon {
    child: Child,
    dir: tempfile::TempDir,
}

impl Daemon {
    fn start(command: impl FnOnce(&Path) -> Command, ready: impl Fn(&Path) -> bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let mut command = command(dir.path());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child =
            command.spawn().unwrap_or_else(|e| panic!("{command:?} is needed, and cannot be run: {e}"));
        let daemon = Self { child, dir };
        let began = Instant::now();
        while !ready(daemon.dir.path()) {
            let said = || fs::read_to_string(daemon.dir.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(60), "the daemon is not ready:\n{}", said());
            std::thread::sleep(Duration::from_millis(100));
        }
        daemon
    }

    pub(crate) fn docker() -> Self {
        let command = |dir: &Path| {
            let mut dockerd = Command::new("dockerd");
            for (flag, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
                dockerd.arg(flag).arg(dir.join(name));
            }
            dockerd.arg("--host").arg(format!("unix://{}", dir.join("socket").display()));
            dockerd.args(["--bridge", "none", "--iptables=false", "--storage-driver", "overlay2"]);
            dockerd
        };
        Self::start(command, |dir| quiet(docker(dir).arg("version")).is_ok())
    }

    pub(crate) fn containerd() -> Self {
        let command = |dir: &Path| {
            let config = "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";
            fs::write(dir.join("config.toml"), config).unwrap();
            let mut containerd = Command::new("containerd");
            for (flag, name) in [
                ("--config", "config.toml"),
                ("--root", "root"),
                ("--state", "state"),
                ("--address", "socket"),
            ] {
                containerd.arg(flag).arg(dir.join(name));
            }
            containerd
        };
        Self::start(command, |dir| quiet(ctr(dir).arg("version")).is_ok())
    }

    /// Loads an image of these layers into docker; what it unpacked.
    pub(crate) fn docker_unpack(&self, tars: &[Vec<u8>]) -> Result<Tree, String> {
        let dir = self.dir.path();
        let archive = dir.join("image.tar");
        fs::write(&archive, image::tar_of(&image_of(tars).docker_save())).unwrap();
        quiet(docker(dir).args(["load", "--quiet", "--input"]).arg(&archive))?;
        let place = "{{.GraphDriver.Data.UpperDir}}";
        let place = quiet(docker(dir).args(["image", "inspect", "--format", place, "demo:1"]))?;
        let tree = read_dir(Path::new(&place));
        quiet(docker(dir).args(["image", "rm", "--force", "demo:1"]))?;
        Ok(tree)
    }

    /// Imports an image of these layers into containerd; what it unpacked.
    pub(crate) fn containerd_unpack(&self, tars: &[Vec<u8>]) -> Result<Tree, String> {
        let dir = self.dir.path();
        let (archive, mount) = (dir.join("image.tar"), dir.join("mount"));
        fs::write(&archive, image::tar_of(&image_of(tars).layout())).unwrap();
        fs::create_dir_all(&mount).unwrap();
        quiet(ctr(dir).args(["images", "import", "--base-name", "stack"]).arg(&archive))?;
        quiet(ctr(dir).args(["images", "mount", "stack:latest"]).arg(&mount))?;
        let tree = read_dir(&mount);
        quiet(ctr(dir).args(["images", "unmount", "--rm"]).arg(&mount))?;
        quiet(ctr(dir).args(["images", "rm", "--sync", "stack:latest"]))?;
        Ok(tree)
    }
}

fn image_of(tars: &[Vec<u8>]) -> Image {
    tars.iter().cloned().fold(Image::new().packed(Packing::Gzip), Image::raw_layer)
}

fn docker(dir: &Path) -> Command {
    let mut docker = Command::new(client("dockerd", "docker"));
    docker.arg("--host").arg(format!("unix://{}", dir.join("socket").display()));
    docker
}

fn ctr(dir: &Path) -> Command {
    let mut ctr = Command::new("ctr");
    ctr.arg("--address").arg(dir.join("socket"));
    ctr
}

/// The client that came with a daemon: another of that name may stand before it on the PATH.
fn client(daemon: &str, name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find(|dir| dir.join(daemon).exists());
    let beside = found.map(|dir| dir.join("../bin").join(name)).filter(|client| client.exists());
    beside.unwrap_or_else(|| name.into())
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
        unmount_below(self.dir.path());
    }
}
