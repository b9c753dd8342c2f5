//! The private NATS: JetStream on files.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::child::{Server, TRIES, end_stale};
use crate::install::{Program, find};
use crate::secret;

#[derive(Debug)]
pub(crate) struct Nats {
    server: Server,
    url: String,
}

impl Nats {
    pub(crate) async fn start(data_dir: &Path) -> Result<Self> {
        let dir = data_dir.join("nats");
        fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        let program = find(Program::NatsServer)?;
        let (pid_file, config) = (dir.join("nats.pid"), dir.join("nats.conf"));
        if let Some(pid) = fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok()) {
            end_stale(pid, &config, Signal::TERM).await?;
        }
        let password = secret::password(&dir)?;
        // Older servers stop at a setting they do not know, so this one is given only to those that do.
        let sync = if version(&program) >= (2, 10) { "sync_interval: always" } else { "" };
        let mut tries = 1;
        loop {
            let port = secret::port(&dir).await?;
            // In a file, not on the command line: everybody on the machine can read that.
            let text = format!(
                "listen: 127.0.0.1:{port}\nserver_name: platen\nmax_payload: 8MB\npid_file: {pid:?}\n\
                 authorization {{ user: platen, password: {password:?} }}\n\
                 jetstream {{ store_dir: {store:?}\n{sync} }}\n",
                pid = pid_file.to_string_lossy(),
                store = dir.join("store").to_string_lossy(),
            );
            secret::write_private(&config, &text)?;
            let args = ["-c".as_ref(), config.as_os_str()];
            let mut server =
                Server::start("nats-server", &program, &args, None, dir.join("log"), Signal::TERM)?;
            match server.until(|pid| is_pid(&pid_file, pid) && greets(port)).await {
                Ok(()) => {
                    return Ok(Self { server, url: format!("nats://platen:{password}@127.0.0.1:{port}") });
                }
                Err(error) if tries == TRIES || !server.ended() => return Err(error),
                Err(error) => tracing::warn!("{error:#}"),
            }
            tries += 1;
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }
}

/// Is this pid file of that process, and not of one that was killed?
fn is_pid(file: &Path, pid: u32) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim() == pid.to_string())
}

/// A server that is ready says so first (`INFO {…}`); once JetStream has read its files.
fn greets(port: u16) -> bool {
    let greeting = || -> std::io::Result<[u8; 5]> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut start = [0; 5];
        stream.read_exact(&mut start)?;
        Ok(start)
    };
    greeting().is_ok_and(|start| &start == b"INFO ")
}

/// `nats-server: v2.9.10` is (2, 9); what cannot be read counts as old.
fn version(program: &Path) -> (u32, u32) {
    let said = Command::new(program).arg("--version").output().map(|o| o.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let mut numbers =
        said.split('v').next_back().unwrap_or_default().trim().split('.').map_while(|n| n.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
