//! A Docker daemon with BuildKit for the tests: Debian 13's packages, unpacked into `target/tools/docker`.
//!
//! Debian 12 has an older one without buildx. Nothing of it is installed: apt works with lists and caches of its own, and takes
//! the packages from the mirror that this machine uses for Debian anyway.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

const PACKAGES: [&str; 4] = ["docker.io", "docker-cli", "docker-buildx", "containerd"];

/// The release they come from.
const SUITE: &str = "trixie";

/// Sees to it that it is there.
pub(crate) fn ensure(root: &Path) -> Result<()> {
    let dir = root.join("target/tools/docker");
    if dir.join("usr/sbin/dockerd").is_file()
        && dir.join("usr/libexec/docker/cli-plugins/docker-buildx").is_file()
    {
        return Ok(());
    }
    eprintln!("Fetching {} of Debian {SUITE} into {}.", PACKAGES.join(", "), dir.display());
    let work = tempfile::tempdir()?;
    fetch(work.path()).with_context(|| {
        format!(
            "The tests need a Docker daemon with BuildKit: unpack Debian {SUITE}'s {} into {}",
            PACKAGES.join(", "),
            dir.display()
        )
    })?;
    fs::create_dir_all(&dir)?;
    for package in fs::read_dir(work.path().join("packages"))? {
        run(Command::new("dpkg-deb").arg("-x").arg(package?.path()).arg(&dir))?;
    }
    Ok(())
}

fn fetch(work: &Path) -> Result<()> {
    for dir in ["lists/partial", "cache/archives/partial", "packages"] {
        fs::create_dir_all(work.join(dir))?;
    }
    let mirror = mirror().context("no mirror of Debian is known to apt here")?;
    let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
    fs::write(work.join("sources.list"), format!("deb [signed-by={key}] {mirror} {SUITE} main\n"))?;
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        for (name, value) in [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::State::lists", "lists"),
            ("Dir::Cache", "cache"),
        ] {
            command.arg("-o").arg(format!("{name}={}", work.join(value).display()));
        }
        command.args(["-o", "Dir::Etc::sourceparts=-", "-o", "APT::Sandbox::User=root", "-q"]).args(args);
        command.current_dir(work.join("packages")).stdin(Stdio::null()).stdout(Stdio::null());
        run(&mut command)
    };
    apt(&["update"])?;
    apt(&[&["download"], PACKAGES.as_slice()].concat())
}

/// The address that apt has Debian from.
fn mirror() -> Option<String> {
    let parts =
        fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let files: Vec<PathBuf> = std::iter::once(PathBuf::from("/etc/apt/sources.list")).chain(parts).collect();
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    let words: Vec<String> =
        texts.flat_map(|t| t.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    words.into_iter().find(|word| {
        let word = word.trim_end_matches('/');
        word.contains("://") && word.ends_with("/debian")
    })
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{:?} cannot be run", command.get_program()))?;
    if !status.success() {
        bail!("{command:?} failed ({status})");
    }
    Ok(())
}
