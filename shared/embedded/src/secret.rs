//! Small files of a server: its password, its port.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The password of a server: made once, readable by its owner alone.
pub(crate) fn password(dir: &Path) -> Result<String> {
    let path = dir.join("password");
    if let Ok(kept) = fs::read_to_string(&path)
        && !kept.trim().is_empty()
    {
        return Ok(kept.trim().to_owned());
    }
    let fresh = uuid::Uuid::new_v4().simple().to_string();
    write_private(&path, &fresh)?;
    Ok(fresh)
}

/// Writes a file that only its owner may read: whole or not at all, for a power cut in between would leave a server
/// with half a password.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let fresh = path.with_extension("new");
    let write = || {
        // What an earlier try left may have another mode or owner.
        fs::remove_file(&fresh).or_else(|e| if e.kind() == ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

/// How long to wait for the port of last time: a server that was killed a moment ago still holds it for a moment.
const LETTING_GO: Duration = Duration::from_secs(1);

/// The port of a server: the same as last time if it is free, so that addresses stay the same.
pub(crate) async fn port(dir: &Path) -> Result<u16> {
    let path = dir.join("port");
    let kept: Option<u16> = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    if let Some(port) = kept {
        let began = Instant::now();
        while began.elapsed() < LETTING_GO {
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return Ok(port);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let port = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?.local_addr()?.port();
    fs::write(&path, port.to_string())?;
    Ok(port)
}
