//! `cargo dev sqlx`: writes `.sqlx/` anew from a private database that has every migration; `--check` only compares.
//!
//! The macros of sqlx write what they learn from the database into `SQLX_OFFLINE_DIR`, which is all that
//! `cargo sqlx prepare` does too; so no other program is needed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use embedded::install::{self, Program};
use embedded::{Embedded, Options};

use crate::{cargo, ok, root};

pub(crate) fn run(check: bool) -> Result<()> {
    let root = root()?;
    let data = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = Options { fsync: false, ..Options::new(data.path(), false, true) };
    let server = runtime.block_on(Embedded::start(options))?;
    let url = server.database_url().context("the server has an address")?.to_owned();
    let done = refresh(&root, &url, check);
    runtime.block_on(server.stop());
    done
}

fn refresh(root: &Path, url: &str, check: bool) -> Result<()> {
    migrate(root, url)?;
    let fresh = tempfile::tempdir()?;
    // A build that is up to date would ask nothing.
    let lib = fs::File::options().append(true).open(root.join("shared/db/src/lib.rs"))?;
    lib.set_modified(std::time::SystemTime::now())?;
    ok(cargo(root)
        .args(["build", "-p", "db"])
        .env("SQLX_OFFLINE", "false")
        .env("DATABASE_URL", url)
        .env("SQLX_OFFLINE_DIR", fresh.path()))?;
    let (kept, made) = (read(&root.join(".sqlx"))?, read(fresh.path())?);
    if kept == made {
        eprintln!("{} queries are as committed.", made.len());
        return Ok(());
    }
    if check {
        bail!("`.sqlx` is not what the queries and migrations say; run `cargo dev sqlx` and commit it");
    }
    fs::remove_dir_all(root.join(".sqlx"))
        .or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
    fs::create_dir(root.join(".sqlx"))?;
    for (name, text) in &made {
        fs::write(root.join(".sqlx").join(name), text)?;
    }
    eprintln!("{} queries written.", made.len());
    Ok(())
}

fn migrate(root: &Path, url: &str) -> Result<()> {
    let psql = install::find(Program::Postgres)?.with_file_name("psql");
    let mut files: Vec<_> =
        fs::read_dir(root.join("shared/db/migrations"))?.flatten().map(|e| e.path()).collect();
    files.sort();
    for file in files {
        let mut command = Command::new(&psql);
        command.args(["-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f"]).arg(&file);
        ok(command.stdin(Stdio::null()))?;
    }
    Ok(())
}

fn read(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "json") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.insert(name, fs::read_to_string(&path)?);
        }
    }
    Ok(found)
}
