//! `platen quickstart`: from nothing to a flat image that can be pulled, shown step by step.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use embedded::{Program, install};

use crate::down::Down;
use crate::up::read_env;
use crate::{down, processes};

mod image;

/// Start a factory, import a real image, and show what became of it.
#[derive(Debug, Args)]
pub(crate) struct Quickstart {
    /// What to import: a reference, an archive, an OCI layout. Without it, a small real image is made of Debian's static
    /// busybox, in three layers.
    source: Option<String>,
    /// Where the factory keeps everything.
    #[arg(long, env = "PLATEN_DATA_DIR", default_value = "platen-data")]
    data_dir: PathBuf,
    /// The address to serve on; port 0 chooses a free one.
    #[arg(long, env = "PLATEN_LISTEN", default_value = "127.0.0.1:7080")]
    listen: SocketAddr,
    /// Stop the factory at the end; without it, it stays up.
    #[arg(long)]
    stop: bool,
}

pub(crate) async fn run(args: Quickstart) -> Result<()> {
    let platen = std::env::current_exe().context("this program cannot be found")?;
    step("Starting a factory: every service, a private NATS, a private PostgreSQL.");
    std::fs::create_dir_all(&args.data_dir)?;
    if processes::running(&args.data_dir)?.is_empty() {
        let mut up = Command::new(&platen);
        up.args(["up", "--detach", "--listen", &args.listen.to_string(), "--data-dir"]).arg(&args.data_dir);
        ok(up.stdin(Stdio::null()), "the factory did not start")?;
    }
    let file = args.data_dir.join("platen.env");
    let env = read_env(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    eprintln!("It serves {}; addresses and key are in {}.", env.url, file.display());

    let (source, made) = match args.source {
        Some(source) => (source, None),
        None => {
            step(
                "Making a real image of three layers: Debian's busybox, an overwrite, a deletion, hardlinks.",
            );
            install::ensure(&[Program::Busybox])?;
            let dir = tempfile::tempdir()?;
            let path = dir.path().join("busybox.tar");
            image::write(&install::find(Program::Busybox)?, &path)?;
            (path.to_string_lossy().into_owned(), Some(dir))
        }
    };
    step(&format!("Importing {source}: the build log, as it is written."));
    let mut import = Command::new(&platen);
    import.args(["import", &source]);
    import.env("PLATEN_URL", &env.url).env("PLATEN_API_KEY", &env.key).env("PLATEN_HUB", &env.hub);
    let imported = ok(import.stdin(Stdio::null()), "the import failed");
    drop(made);
    if imported.is_ok() {
        step("Pull it with any client, by the reference above; any user name, the key as the password:");
        let dir = args.data_dir.display();
        eprintln!("    . {dir}/platen.env");
        eprintln!(
            "    skopeo copy --src-tls-verify=false --src-creds any:$PLATEN_API_KEY docker://<pull> oci:flat"
        );
        eprintln!("    podman run --rm --tls-verify=false --creds any:$PLATEN_API_KEY <pull>");
    }
    if args.stop {
        down::run(&Down { data_dir: args.data_dir }).await?;
    } else {
        eprintln!(
            "\nThe factory stays up. Stop it with: {} down --data-dir {}",
            platen.display(),
            args.data_dir.display()
        );
    }
    imported
}

fn step(what: &str) {
    eprintln!("\n== {what}");
}

fn ok(command: &mut Command, otherwise: &str) -> Result<()> {
    let status = command.status().with_context(|| otherwise.to_owned())?;
    if !status.success() {
        bail!("{otherwise} ({status})");
    }
    Ok(())
}
