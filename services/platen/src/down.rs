//! `platen down`: stop the factory of a data directory.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::fail::Fail;
use crate::processes;

/// Stop the factory of a data directory, with its private servers. Its data stays.
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// The data directory given to `platen up`.
    #[arg(long, env = "PLATEN_DATA_DIR", default_value = "platen-data")]
    pub data_dir: PathBuf,
}

/// Longer than the grace period that services have.
const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) async fn run(args: &Down) -> Result<()> {
    let running = processes::running(&args.data_dir)?;
    if running.is_empty() {
        eprintln!("No factory of {} is running.", args.data_dir.display());
        return Ok(());
    }
    for process in &running {
        process.terminate();
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while running.iter().any(processes::Process::is_running) {
        if tokio::time::Instant::now() > deadline {
            let left: Vec<_> = running.iter().filter(|p| p.is_running()).map(|p| p.pid.to_string()).collect();
            return Err(Fail::TimedOut(format!("process {} does not end", left.join(", "))).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eprintln!("The factory of {} is down.", args.data_dir.display());
    Ok(())
}
