//! A private NATS and a private PostgreSQL for one machine.
//!
//! Both listen on 127.0.0.1 only, on a port of their own that stays the same, and let in only who has the password
//! that stands in a file of the data directory. Both are children that end with us: politely when we stop them, and
//! by a signal from the kernel when we are killed. What an earlier run left behind is found by its pid file and ended
//! before anything is started.

use std::fs;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

mod child;
pub mod install;
mod nats;
mod postgres;
mod secret;

use nats::Nats;
use postgres::Postgres;

pub use install::{Missing, Program};

/// What to start, and where to keep its data.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data directory: `nats` and `postgres` are made in it.
    pub data_dir: PathBuf,
    /// Start NATS.
    pub nats: bool,
    /// Start PostgreSQL.
    pub postgres: bool,
    /// Let PostgreSQL wait for the disk. Off only where losing everything is fine: in tests.
    pub fsync: bool,
}

impl Options {
    /// What `platen up` wants.
    pub fn new(data_dir: &Path, nats: bool, postgres: bool) -> Self {
        Self { data_dir: data_dir.to_owned(), nats, postgres, fsync: true }
    }
}

/// Running servers. Call [`Embedded::stop`]; dropping kills them.
#[derive(Debug)]
pub struct Embedded {
    nats: Option<Nats>,
    postgres: Option<Postgres>,
    _lock: File,
}

impl Embedded {
    /// Finds (or installs) the programs, and starts them. Call it from a thread that lives as long as the servers
    /// shall: the kernel ends them with it.
    ///
    /// # Errors
    /// [`Missing`] when a program is not there and cannot be installed; otherwise what failed, with the end of the
    /// server's log.
    pub async fn start(options: Options) -> Result<Self> {
        let dir = &options.data_dir;
        fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        // Servers and tools have working directories of their own.
        let dir = &dir.canonicalize()?;
        let lock = lock(dir)?;
        let mut wanted = Vec::new();
        wanted.extend(options.nats.then_some(Program::NatsServer));
        wanted.extend(options.postgres.then_some(Program::Postgres));
        install::ensure(&wanted)?;
        let postgres = if options.postgres { Some(Postgres::start(dir, options.fsync).await?) } else { None };
        let mut started = Self { nats: None, postgres, _lock: lock };
        if options.nats {
            match Nats::start(dir).await {
                Ok(nats) => started.nats = Some(nats),
                Err(error) => {
                    started.stop().await;
                    return Err(error);
                }
            }
        }
        Ok(started)
    }

    /// `nats://…`, with its password.
    pub fn nats_url(&self) -> Option<&str> {
        self.nats.as_ref().map(Nats::url)
    }

    /// `postgres://…`, with its password.
    pub fn database_url(&self) -> Option<&str> {
        self.postgres.as_ref().map(Postgres::url)
    }

    /// Stops both, politely.
    pub async fn stop(self) {
        if let Some(nats) = self.nats {
            nats.stop().await;
        }
        if let Some(postgres) = self.postgres {
            postgres.stop().await;
        }
    }
}

/// Two factories in one directory would ruin each other's servers.
fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another factory is running in {}; stop it with `platen down --data-dir {0}`",
                dir.display()
            )
        }
        Err(TryLockError::Error(error)) => Err(error).context("the data directory cannot be locked"),
    }
}
