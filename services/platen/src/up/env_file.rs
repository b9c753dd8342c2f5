//! `platen.env`: where the factory is and how to come in, as plain `KEY=value` lines for scripts to read.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result};

/// What stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvFile {
    /// `PLATEN_URL`.
    pub(crate) url: String,
    /// `PLATEN_API_KEY`.
    pub(crate) key: String,
    /// `PLATEN_HUB`: the hub's identifier.
    pub(crate) hub: String,
    /// `NATS_URL`.
    pub(crate) nats_url: String,
    /// `DATABASE_URL`.
    pub(crate) database_url: String,
}

impl EnvFile {
    /// Writes it whole or not at all; only its owner may read it.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let dir = path.parent().context("the file has a directory")?;
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        writeln!(file, "PLATEN_URL={}", self.url)?;
        writeln!(file, "PLATEN_API_KEY={}", self.key)?;
        writeln!(file, "PLATEN_HUB={}", self.hub)?;
        writeln!(file, "NATS_URL={}", self.nats_url)?;
        writeln!(file, "DATABASE_URL={}", self.database_url)?;
        file.as_file().sync_all()?;
        file.persist(path).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(())
    }
}

/// Reads it, if it is there and whole.
pub(crate) fn read(path: &Path) -> Option<EnvFile> {
    let text = std::fs::read_to_string(path).ok()?;
    let values: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let get = |key| values.get(key).map(|value| (*value).to_owned());
    Some(EnvFile {
        url: get("PLATEN_URL")?,
        key: get("PLATEN_API_KEY")?,
        hub: get("PLATEN_HUB")?,
        nats_url: get("NATS_URL")?,
        database_url: get("DATABASE_URL")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("platen.env");
        assert_eq!(read(&path), None);
        let env = EnvFile {
            url: "http://127.0.0.1:1".into(),
            key: "platen_x_y".into(),
            hub: "main".into(),
            nats_url: "nats://a:b@127.0.0.1:2".into(),
            database_url: "postgres://a:b=c@127.0.0.1:3/platen".into(),
        };
        env.write(&path).unwrap();
        assert_eq!(read(&path), Some(env));
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}
