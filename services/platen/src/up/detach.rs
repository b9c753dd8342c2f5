//! Going to the background: the same command without `--detach`, in a process group of its own.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::Up;
use crate::processes;

pub(super) async fn run(args: &Up) -> Result<()> {
    let data_dir = &args.config.data_dir;
    let log = data_dir.join("platen.log");
    let out = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
    let program = std::env::current_exe().context("this program cannot be found")?;
    // Everything the user said, but for the word that brought us here. Relative paths stay right: so does the directory.
    let words = std::env::args_os().skip(1).filter(|word| word != "--detach");
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .process_group(0)
        .spawn()
        .context("the factory cannot be started")?;
    let pid = i32::try_from(child.id()).unwrap_or(0);
    loop {
        if let Some(status) = child.try_wait()? {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(12).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            bail!("the factory did not start ({status}); the end of {}:\n{}", log.display(), tail.join("\n"));
        }
        if processes::running(data_dir)?.iter().any(|p| p.pid == pid) {
            eprintln!(
                "The factory is up; its addresses and key are in {}.",
                data_dir.join("platen.env").display()
            );
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
