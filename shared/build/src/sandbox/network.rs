//! The network of a sandbox: its own loopback, and the outside as far as the operator allows it.
//!
//! `slirp4netns` carries its traffic in user space. What is not public is closed by routes that lead nowhere, so that they hold
//! for names as they resolve at that very moment; processes of a build have no right to change routes.

use std::net::{IpAddr, TcpListener as StdListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::BuildError;
use crate::process::Group;

/// The addresses that `slirp4netns` gives: the sandbox, its gateway, and a name server.
const CIDR: &str = "198.18.0.0/24";
/// Where names are looked up.
pub(super) const NAME_SERVER: &str = "198.18.0.3";
const GATEWAY: &str = "198.18.0.2";
const DEVICE: &str = "tap0";

/// What nobody may reach: private, link-local (metadata), shared and reserved ranges (RFC 6890), and Azure's metadata address.
const CLOSED: [&str; 10] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
];

const START: Duration = Duration::from_secs(10);

fn closed(told: impl std::fmt::Display) -> BuildError {
    BuildError::transient("builder.network", format!("The build's network cannot be set up: {told}."))
}

/// Opens a port on the loopback of a process' network. The socket stays in that network wherever it is used.
pub(super) async fn listen(process: u32) -> Result<TcpListener, BuildError> {
    let open = move || -> std::io::Result<StdListener> {
        let network = std::fs::File::open(format!("/proc/{process}/ns/net"))?;
        // A thread of its own, since it never comes back from there.
        let thread = std::thread::spawn(move || {
            use std::os::fd::AsFd;
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            StdListener::bind(("127.0.0.1", 0))
        });
        let listener = thread.join().map_err(|_| std::io::Error::other("a thread ended"))??;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let listener = tokio::task::spawn_blocking(open).await.map_err(closed)?.map_err(closed)?;
    TcpListener::from_std(listener).map_err(closed)
}

/// Connects a process' network with the outside, until the group is dropped.
pub(super) async fn connect(process: u32, allowed: &[IpNet]) -> Result<Group, BuildError> {
    let mut command = Group::command("slirp4netns");
    command.args(["--configure", "--disable-host-loopback", "--mtu=65520", "--cidr", CIDR]);
    command.args(["--netns-type=path", &format!("/proc/{process}/ns/net"), DEVICE]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut group = Group::spawn(&mut command)?;
    let began = Instant::now();
    let devices = format!("/proc/{process}/net/dev");
    while !tokio::fs::read_to_string(&devices).await.is_ok_and(|text| text.contains(DEVICE)) {
        if let Ok(Some(status)) = group.child.try_wait() {
            return Err(closed(format!("slirp4netns ended ({status}); it needs /dev/net/tun")));
        }
        if began.elapsed() > START {
            return Err(closed("slirp4netns does not become ready"));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    routes(process, allowed).await?;
    Ok(group)
}

async fn routes(process: u32, allowed: &[IpNet]) -> Result<(), BuildError> {
    let mut batch = String::new();
    for range in CLOSED {
        batch.push_str(&format!("route replace unreachable {range}\n"));
    }
    for address in own_addresses().await {
        batch.push_str(&format!("route replace unreachable {address}/32\n"));
    }
    for network in allowed.iter().filter(|network| matches!(network, IpNet::V4(_)) && !is_loopback(network)) {
        batch.push_str(&format!("route replace {network} via {GATEWAY} dev {DEVICE}\n"));
    }
    let file = tempfile::NamedTempFile::new().map_err(closed)?;
    tokio::fs::write(file.path(), batch).await.map_err(closed)?;
    // slirp4netns has made the device, but may be at its addresses still.
    let began = Instant::now();
    loop {
        let said = ip(process, file.path()).await?;
        match said {
            None => return Ok(()),
            Some(said) if began.elapsed() > START => return Err(closed(said)),
            Some(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Changes routes; answers what was said where that went wrong.
async fn ip(process: u32, batch: &Path) -> Result<Option<String>, BuildError> {
    let inside = |args: &[&str]| {
        let mut command = Command::new("nsenter");
        command.args(["-n", "-t", &process.to_string(), "--", "ip", "-4"]).args(args).kill_on_drop(true);
        command
    };
    let shown = inside(&["route", "show", "default"]).output().await.map_err(closed)?;
    if shown.stdout.is_empty() {
        return Ok(Some("there is no default route".to_owned()));
    }
    let batch = batch.to_string_lossy();
    let done = inside(&["-batch", &batch]).output().await.map_err(closed)?;
    Ok((!done.status.success()).then(|| String::from_utf8_lossy(&done.stderr).trim().to_owned()))
}

/// This machine's own addresses: its servers may listen on any of them.
async fn own_addresses() -> Vec<IpAddr> {
    let shown = Command::new("ip").args(["-4", "-o", "address", "show"]).output().await;
    let text = shown.map(|shown| String::from_utf8_lossy(&shown.stdout).into_owned()).unwrap_or_default();
    let address = |line: &str| line.split_whitespace().nth(3)?.split('/').next()?.parse().ok();
    text.lines().filter_map(address).filter(|ip: &IpAddr| !ip.is_loopback()).collect()
}

fn is_loopback(network: &IpNet) -> bool {
    network.addr().is_loopback()
}
