//! The other side: tools that unpack, each into a directory of its own that is gone afterwards.

use std::cell::OnceCell;
use std::fs;
use std::path::Path;
use std::process::Command;

use embedded::Program;
use testkit::Image;
use testkit::image::{self, Packing};
use testkit::stack::{Parents, Profile, Tree, read_dir};
use testkit::tools::{command, output};

use crate::daemons::Daemon;

/// A tool that unpacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// `umoci unpack`: applies layers one after the other to a directory.
    Umoci,
    /// skopeo into containers-storage, mounted by podman: layers under the kernel's overlay file system.
    Storage,
    /// GNU tar, of a single layer.
    Tar,
    /// docker, with a daemon of our own.
    Docker,
    /// containerd, with a daemon of our own.
    Containerd,
}

/// Daemons that tools need, started with the first use.
#[derive(Default)]
pub(crate) struct Daemons {
    docker: OnceCell<Daemon>,
    containerd: OnceCell<Daemon>,
}

impl Tool {
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Umoci, Self::Storage, Self::Tar, Self::Docker, Self::Containerd]
            .into_iter()
            .find(|tool| tool.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Umoci => "umoci",
            Self::Storage => "containers-storage",
            Self::Tar => "tar",
            Self::Docker => "docker",
            Self::Containerd => "containerd",
        }
    }

    /// What the tool can express at all.
    pub(crate) fn profile(self) -> Profile {
        match self {
            Self::Umoci => Profile { link_meta: true, twice: true, ..Profile::TAME },
            // Layers are unpacked each for itself, so that nothing in one can lead through another.
            Self::Storage | Self::Docker | Self::Containerd => {
                let apart =
                    Profile { through: false, parents: Parents::Here, links_below: false, ..Profile::TAME };
                // The root is the mount's own, and times before 1970 become 1970.
                Profile { root: false, old_times: false, again: false, ..apart }
            }
            Self::Tar => Profile { layers: 1, markers: false, through: false, ..Profile::TAME },
        }
    }

    /// What a stack may hold that is flattened before the tool gets it: all but what no file system or mount keeps, which
    /// are times out of range, modes of symbolic links, and for most a root of the image's own and times before 1970.
    pub(crate) fn flat_profile(self) -> Profile {
        let keeps = matches!(self, Self::Umoci | Self::Tar);
        Profile { odd: false, faults: false, root: keeps, old_times: keeps, ..Profile::ANY }
    }

    /// Unpacks layers and reads what is there; what the tool said if it refused.
    pub(crate) fn unpack(self, tars: &[Vec<u8>], daemons: &Daemons) -> Result<Tree, String> {
        let dir = tempfile::tempdir().unwrap();
        match self {
            Self::Umoci => {
                let image = format!("{}:latest", layout(tars, dir.path()));
                let to = dir.path().join("bundle");
                quiet(command(Program::Umoci).args(["unpack", "--image", &image]).arg(&to))?;
                Ok(read_dir(&to.join("rootfs")))
            }
            Self::Storage => storage(tars, dir.path()),
            Self::Docker => daemons.docker.get_or_init(Daemon::docker).docker_unpack(tars),
            Self::Containerd => daemons.containerd.get_or_init(Daemon::containerd).containerd_unpack(tars),
            Self::Tar => {
                let (archive, root) = (dir.path().join("layer.tar"), dir.path().join("root"));
                fs::write(&archive, &tars[0]).unwrap();
                fs::create_dir(&root).unwrap();
                let mut tar = Command::new("tar");
                tar.args([
                    "--extract",
                    "--preserve-permissions",
                    "--same-owner",
                    "--numeric-owner",
                    "--xattrs",
                ]);
                tar.args(["--xattrs-include=*", "--delay-directory-restore", "--file"]).arg(&archive);
                quiet(tar.arg("--directory").arg(&root))?;
                Ok(read_dir(&root))
            }
        }
    }
}

fn layout(tars: &[Vec<u8>], dir: &Path) -> String {
    let image = tars.iter().cloned().fold(Image::new().packed(Packing::Plain), Image::raw_layer);
    let layout = dir.join("layout");
    image::write_dir(&image.layout(), &layout).unwrap();
    layout.display().to_string()
}

pub(crate) fn quiet(command: &mut Command) -> Result<String, String> {
    let output = output(command);
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

fn storage(tars: &[Vec<u8>], dir: &Path) -> Result<Tree, String> {
    let (root, run) = (dir.join("root").display().to_string(), dir.join("run").display().to_string());
    let podman = |args: &[&str]| {
        let mut podman = command(Program::Podman);
        podman.args(["--root", &root, "--runroot", &run, "--storage-driver", "overlay"]).args(args);
        quiet(&mut podman)
    };
    let from = format!("oci:{}:latest", layout(tars, dir));
    let to = format!("containers-storage:[overlay@{root}+{run}]stack:1");
    quiet(command(Program::Skopeo).args(["copy", "--quiet", "--insecure-policy", &from, &to]))?;
    let _mounts = Mounts(&root);
    podman(&["image", "mount", "stack:1"]).map(|mounted| read_dir(Path::new(&mounted)))
}

/// Unmounts what a storage mounted, or its directory could not be removed.
struct Mounts<'a>(&'a str);

impl Drop for Mounts<'_> {
    fn drop(&mut self) {
        unmount_below(Path::new(self.0));
    }
}

pub(crate) fn unmount_below(dir: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let own: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    // The last mounted first.
    for place in own.iter().rev().filter(|place| Path::new(place).starts_with(dir)) {
        let _ = rustix::mount::unmount(*place, rustix::mount::UnmountFlags::DETACH);
    }
}
