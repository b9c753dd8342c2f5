//! `cargo verify` and `cargo dev`: sets the machine up, then runs the project's own checks.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use embedded::install::{self, Program};

mod arrows;
mod docker;
mod sqlx;

const USAGE: &str =
    "usage: cargo verify [arguments of the test runner] | cargo dev sqlx [--check] | cargo dev arrows";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let verb = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let done = match verb.as_str() {
        "verify" => verify(&rest),
        "sqlx" => sqlx::run(rest.iter().any(|arg| arg == "--check")).map(|()| ExitCode::SUCCESS),
        "arrows" => arrows::check().map(|()| ExitCode::SUCCESS),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("dev: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the tests start for real.
const PROGRAMS: [Program; 17] = [
    Program::NatsServer,
    Program::Postgres,
    Program::DockerRegistry,
    Program::Htpasswd,
    Program::Skopeo,
    Program::Umoci,
    Program::Podman,
    Program::Runc,
    Program::Busybox,
    Program::Buildah,
    Program::Slirp4netns,
    Program::Socat,
    Program::Haproxy,
    Program::Git,
    Program::Ssh,
    Program::SshKeygen,
    Program::Sshd,
];

/// Builds every program, then runs every test. The runner prints the last line, and its exit code is ours.
fn verify(rest: &[String]) -> Result<ExitCode> {
    install::ensure(&PROGRAMS)?;
    arrows::check()?;
    let root = root()?;
    docker::ensure(&root)?;
    ok(cargo(&root).args(["build", "--workspace", "--bins"]))?;
    let nextest =
        cargo(&root).args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let mut tests = tied(&cargo(&root));
    if nextest.is_ok_and(|status| status.success()) {
        tests.args(["nextest", "run", "--workspace"]);
    } else {
        tests.args(["test", "--workspace"]);
    }
    let status = tests.args(rest).status().context("the tests cannot be run")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The same command, ended by the kernel when we end, however we do: a run that is given up leaves no test, and so no
/// server of a test, behind.
fn tied(command: &Command) -> Command {
    let mut tied = Command::new("setpriv");
    tied.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        tied.current_dir(dir);
    }
    tied
}

/// The workspace.
fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(Path::to_owned).context("this crate is two folders below the workspace")
}

/// The cargo that runs us. Queries are checked against what is committed.
fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).env("SQLX_OFFLINE", "true").env_remove("DATABASE_URL").env_remove("NATS_URL");
    command
}

fn ok(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{:?} cannot be run", command.get_program()))?;
    if !status.success() {
        bail!("{:?} failed ({status})", command.get_args().collect::<Vec<_>>());
    }
    Ok(())
}
