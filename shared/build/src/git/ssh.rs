//! How git calls `ssh`: told everything, so that it finds nothing out by itself.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::home::{Home, quoted};
use super::url::RemoteUrl;
use crate::BuildError;

/// Options that hold for every call. No agent, no key and no configuration of whoever runs the factory is used, nothing
/// is forwarded, nothing is asked, and a server gets no other authentication than the key.
const OPTIONS: [&str; 26] = [
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "HostbasedAuthentication=no",
    "GSSAPIAuthentication=no",
    "NumberOfPasswordPrompts=1",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ProxyCommand=none",
    "ProxyJump=none",
    "ControlMaster=no",
    "ControlPath=none",
    "Tunnel=no",
    "RequestTTY=no",
    "CanonicalizeHostname=no",
    "CheckHostIP=no",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    "GlobalKnownHostsFile=/dev/null",
    "ConnectTimeout=30",
    "ServerAliveInterval=30",
    "LogLevel=ERROR",
];

/// A key as the user gave it.
pub(super) struct Key<'a> {
    pub(super) key: &'a SecretString,
    pub(super) passphrase: Option<&'a SecretString>,
    pub(super) known_hosts: Option<&'a str>,
}

/// The file of the key.
pub(super) const KEY: &str = "key";

/// What makes git call ssh so: to `ip`, which was checked, whatever the name leads to by then.
pub(super) fn environment(
    home: &Home,
    url: &RemoteUrl,
    ip: IpAddr,
    key: Option<&Key<'_>>,
) -> Result<Vec<(OsString, OsString)>, BuildError> {
    let alias = alias(url);
    let mut options: Vec<String> = OPTIONS.iter().map(|option| (*option).to_owned()).collect();
    options.push(format!("HostName={ip}"));
    options.push(format!("HostKeyAlias={alias}"));
    let known = key.and_then(|key| key.known_hosts);
    let file = home.write("known_hosts", hosts(known.unwrap_or_default(), &alias).as_bytes(), 0o600)?;
    options.push(path("UserKnownHostsFile", &file));
    options.push(format!("StrictHostKeyChecking={}", if known.is_some() { "yes" } else { "accept-new" }));
    let mut env: Vec<(OsString, OsString)> = Vec::new();
    match key {
        Some(key) => {
            let file = home.write(KEY, pem(key.key.expose_secret()).as_bytes(), 0o600)?;
            options.push(path("IdentityFile", &file));
            let answer = key.passphrase.map_or("", |passphrase| passphrase.expose_secret());
            let answer = home.write("passphrase", format!("{answer}\n").as_bytes(), 0o600)?;
            let script = format!(
                "#!/bin/sh\ncase \"$1\" in \"Enter passphrase\"*) exec cat {};; esac\nexit 1\n",
                quoted(&answer.to_string_lossy())
            );
            env.push(("SSH_ASKPASS".into(), home.write("askpass", script.as_bytes(), 0o700)?.into()));
            env.push(("SSH_ASKPASS_REQUIRE".into(), "force".into()));
        }
        None => options.extend(["IdentityFile=none".to_owned(), "BatchMode=yes".to_owned()]),
    }
    let mut command = String::from("ssh -F /dev/null");
    for option in &options {
        command.push_str(" -o ");
        command.push_str(&quoted(option));
    }
    env.push(("GIT_SSH_COMMAND".into(), command.into()));
    env.push(("GIT_SSH_VARIANT".into(), "ssh".into()));
    Ok(env)
}

/// An option that names a file: ssh splits at spaces, and puts things in place of percent signs.
fn path(option: &str, file: &Path) -> String {
    format!("{option}=\"{}\"", file.to_string_lossy().replace('%', "%%"))
}

/// The name of the server in a `known_hosts` file.
fn alias(url: &RemoteUrl) -> String {
    if url.port == 22 { url.host.clone() } else { format!("[{}]:{}", url.host, url.port) }
}

/// Public keys without a host are this server's.
fn hosts(given: &str, alias: &str) -> String {
    let bare = |line: &str| ["ssh-", "ecdsa-", "sk-"].iter().any(|kind| line.starts_with(kind));
    let lines = given.lines().map(|line| line.trim());
    lines.map(|line| if bare(line) { format!("{alias} {line}\n") } else { format!("{line}\n") }).collect()
}

/// Keys pass through forms and environments that take their line ends away.
fn pem(key: &str) -> String {
    format!("{}\n", key.replace("\r\n", "\n").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_hosts_are_the_servers() {
        let given = "# a comment\nssh-ed25519 AAAA\r\nother.example ssh-ed25519 BBBB";
        let file = hosts(given, "[a.example]:2222");
        assert_eq!(file, "# a comment\n[a.example]:2222 ssh-ed25519 AAAA\nother.example ssh-ed25519 BBBB\n");
    }

    #[test]
    fn line_ends() {
        assert_eq!(
            pem("-----BEGIN X-----\r\na\r\n-----END X-----"),
            "-----BEGIN X-----\na\n-----END X-----\n"
        );
    }
}
