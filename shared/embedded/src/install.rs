//! Finding programs, and installing those that are missing where that is possible: as root, with apt.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use rustix::process::geteuid;

/// A program that Platen or its tests need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The NATS server.
    NatsServer,
    /// The PostgreSQL server, with `initdb` and `createdb` beside it.
    Postgres,
    /// CNCF Distribution, for tests.
    DockerRegistry,
    /// Makes password files for it, for tests.
    Htpasswd,
    /// Copies images, for tests.
    Skopeo,
    /// Unpacks images, for tests.
    Umoci,
    /// Runs images, for tests.
    Podman,
    /// Runs containers for podman, for tests.
    Runc,
    /// A statically linked busybox: the smallest real root file system.
    Busybox,
    /// Builds images.
    Buildah,
    /// Carries the network of builds.
    Slirp4netns,
    /// Carries bytes from anywhere to anywhere, for tests.
    Socat,
    /// Asks for certificates, for tests.
    Haproxy,
    /// Fetches code to build.
    Git,
    /// Reaches git servers over ssh.
    Ssh,
    /// Makes and reads keys for it.
    SshKeygen,
    /// The ssh server, for tests.
    Sshd,
}

impl Program {
    /// The program's file name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NatsServer => "nats-server",
            Self::Postgres => "postgres",
            Self::DockerRegistry => "docker-registry",
            Self::Htpasswd => "htpasswd",
            Self::Skopeo => "skopeo",
            Self::Umoci => "umoci",
            Self::Podman => "podman",
            Self::Runc => "runc",
            Self::Busybox => "busybox",
            Self::Buildah => "buildah",
            Self::Slirp4netns => "slirp4netns",
            Self::Socat => "socat",
            Self::Haproxy => "haproxy",
            Self::Git => "git",
            Self::Ssh => "ssh",
            Self::SshKeygen => "ssh-keygen",
            Self::Sshd => "sshd",
        }
    }

    /// Debian's package that has it.
    pub fn package(self) -> &'static str {
        match self {
            Self::NatsServer => "nats-server",
            Self::Postgres => "postgresql",
            Self::DockerRegistry => "docker-registry",
            Self::Htpasswd => "apache2-utils",
            Self::Skopeo => "skopeo",
            Self::Umoci => "umoci",
            Self::Podman => "podman",
            Self::Runc => "runc",
            Self::Busybox => "busybox-static",
            Self::Buildah => "buildah",
            Self::Slirp4netns => "slirp4netns",
            Self::Socat => "socat",
            Self::Haproxy => "haproxy",
            Self::Git => "git",
            Self::Ssh | Self::SshKeygen => "openssh-client",
            Self::Sshd => "openssh-server",
        }
    }
}

/// Programs that are not there, and could not be installed.
#[derive(Debug, thiserror::Error)]
pub struct Missing(pub Vec<Program>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|p| p.name()).collect();
        let packages: Vec<&str> = self.0.iter().map(|p| p.package()).collect();
        write!(f, "missing: {}. Install on Debian or Ubuntu with\n\n    ", names.join(", "))?;
        write!(
            f,
            "sudo apt-get install {}\n\nor set NATS_URL and DATABASE_URL to servers of your own.",
            packages.join(" ")
        )
    }
}

impl Missing {
    /// The stable code of this failure.
    pub fn code(&self) -> &'static str {
        "machine.program_missing"
    }

    /// Nothing changes until somebody installs it.
    pub fn is_permanent(&self) -> bool {
        true
    }
}

/// Where a program is.
///
/// # Errors
/// [`Missing`].
pub fn find(program: Program) -> Result<PathBuf, Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).chain(more).collect();
    if program == Program::Postgres {
        // One directory with all of it, the newest first; a lone `postgres` in the PATH may be a link into one.
        places = postgres_dirs().into_iter().chain(places).collect();
    }
    let complete = |dir: &Path| {
        let also: &[&str] = if program == Program::Postgres { &["initdb", "createdb"] } else { &[] };
        also.iter().all(|name| dir.join(name).is_file())
    };
    let found = places.into_iter().find(|dir| dir.join(program.name()).is_file() && complete(dir));
    found.map(|dir| dir.join(program.name())).ok_or_else(|| Missing(vec![program]))
}

fn postgres_dirs() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, dir)| dir).collect()
}

/// Makes sure that programs are there: installs those that are missing when this is root on a machine with apt.
///
/// # Errors
/// [`Missing`], which says what to install; or what apt said.
pub fn ensure(programs: &[Program]) -> Result<()> {
    let missing: Vec<Program> = programs.iter().copied().filter(|p| find(*p).is_err()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !geteuid().is_root() || !Path::new("/usr/bin/apt-get").exists() {
        return Err(Missing(missing).into());
    }
    let packages: Vec<&str> = missing.iter().map(|p| p.package()).collect();
    eprintln!("Installing {} with apt-get.", packages.join(", "));
    install(&packages)?;
    let still: Vec<Program> = missing.into_iter().filter(|p| find(*p).is_err()).collect();
    if still.is_empty() { Ok(()) } else { Err(Missing(still).into()) }
}

fn install(packages: &[&str]) -> Result<()> {
    no_cluster();
    let policy = NoDaemons::set();
    let get = |args: &[&str]| {
        Command::new("/usr/bin/apt-get")
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let wanted: Vec<&str> = ["install", "-y", "-q", "--no-install-recommends"]
        .into_iter()
        .chain(packages.iter().copied())
        .collect();
    // Old lists may name versions that are gone.
    let done = get(&wanted) || (get(&["update", "-q"]) && get(&wanted));
    drop(policy);
    if !done {
        bail!("apt-get could not install {}; run `apt-get install {0}` to see why", packages.join(" "));
    }
    Ok(())
}

/// Debian's package would make and start a cluster of its own, which nobody asked for.
fn no_cluster() {
    let file = Path::new("/etc/postgresql-common/createcluster.conf");
    if !file.exists() && std::fs::create_dir_all("/etc/postgresql-common").is_ok() {
        let _ = std::fs::write(file, "create_main_cluster = false\n");
    }
}

/// Packages start no services while this is there (`invoke-rc.d(8)`).
struct NoDaemons(bool);

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoDaemons {
    fn set() -> Self {
        if Path::new(POLICY).exists() {
            return Self(false);
        }
        let written = std::fs::write(POLICY, "#!/bin/sh\nexit 101\n").is_ok();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let _ = std::fs::set_permissions(POLICY, mode);
        Self(written)
    }
}

impl Drop for NoDaemons {
    fn drop(&mut self) {
        if self.0 {
            let _ = std::fs::remove_file(POLICY);
        }
    }
}
