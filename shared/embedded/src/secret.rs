//! Small files of a server: its password, its port.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// The password of a server: made once, readable by its owner alone.
pub(crate) fn password(dir: &Path) -> Result<String> {
    let path = dir.join("password");
    if let Ok(kept) = fs::read_to_string(&path) {
        return Ok(kept.trim().to_owned());
    }
    let fresh = uuid::Uuid::new_v4().simple().to_string();
    write_private(&path, &fresh)?;
    Ok(fresh)
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).with_context(|| format!("{} cannot be written", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

/// The port of a server: the same as last time if it is still free, so that addresses stay the same.
pub(crate) fn port(dir: &Path) -> Result<u16> {
    let path = dir.join("port");
    let kept: Option<u16> = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    if let Some(port) = kept
        && TcpListener::bind(("127.0.0.1", port)).is_ok()
    {
        return Ok(port);
    }
    let port = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?.local_addr()?.port();
    fs::write(&path, port.to_string())?;
    Ok(port)
}
