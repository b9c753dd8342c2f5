//! Calls of git that belong together: one server, one set of credentials, one repository.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::fail::{Failure, judge};
use super::guard::Guard;
use super::home::{self, Home};
use super::mask::Masks;
use super::run::{Ended, Runner, Sink, too_large};
use super::socks::Socks;
use super::ssh::{self, Key};
use super::url::{self, RemoteUrl, Scheme};
use super::{GitAuth, GitDoor};
use crate::{BuildError, Say};

/// The most that is kept of what a command prints.
const OUTPUT: usize = 8 << 20;

/// A user name this long may be a token.
const TOKEN: usize = 20;

/// A server that may be asked.
pub(super) struct Session {
    /// What git is given as the repository.
    pub(super) remote: String,
    runner: Runner,
    socks: Option<Socks>,
    plain: bool,
    _home: Home,
}

/// Where files go: the repository's own, and all of the context, whose size is bounded.
pub(super) struct Place<'a> {
    pub(super) files: &'a Path,
    pub(super) context: &'a Path,
}

impl Session {
    /// Prepares everything: the way to the server and the credentials. `named` is what the user named.
    pub(super) async fn open(
        door: &GitDoor,
        named: &RemoteUrl,
        url: &RemoteUrl,
        auth: &GitAuth,
        place: Option<Place<'_>>,
        say: Option<Say>,
    ) -> Result<Self, BuildError> {
        let home = Home::new()?;
        let guard = Guard::new(&door.policy, named, url);
        let mut env = home::environment(&home);
        let mut config = configuration(url.scheme);
        let mut masks = Masks::default();
        masks.replace(&home.path().to_string_lossy(), "~");
        let mut remote = url.clone();
        let mut socks = None;
        match (url.scheme, auth) {
            (Scheme::Https | Scheme::Http, GitAuth::None | GitAuth::Http { .. }) => {
                if let GitAuth::Http { username, password } = auth {
                    masks.hide(password.expose_secret());
                    // Some servers take a token in its place.
                    if username.len() >= TOKEN {
                        masks.hide(username);
                    }
                    config.push(("credential.helper".into(), home.http(url, username, password)?.into()));
                }
                if let Some(roots) = home.roots(&door.policy)? {
                    config.push(("http.sslCAInfo".into(), roots.into()));
                }
                let proxy = Socks::start(guard).await.map_err(home::disk)?;
                masks.hide(&proxy.url);
                config.push(("http.proxy".into(), proxy.url.clone().into()));
                socks = Some(proxy);
            }
            (Scheme::Ssh, GitAuth::None | GitAuth::Ssh { .. }) => {
                let mut key = None;
                if let GitAuth::Ssh { username, key: secret, passphrase, known_hosts } = auth {
                    passphrase.iter().for_each(|secret| masks.hide(secret.expose_secret()));
                    let user = username.as_deref().unwrap_or("git");
                    remote.user = Some(remote.user.map_or_else(|| url::user(user), Ok)?);
                    let known_hosts = known_hosts.as_deref();
                    key = Some(Key { key: secret, passphrase: passphrase.as_ref(), known_hosts });
                } else {
                    remote.user.get_or_insert_with(|| "git".to_owned());
                }
                let ip = guard.answering(url, door.patience).await?;
                env.extend(ssh::environment(&home, url, ip, key.as_ref())?);
            }
            (Scheme::Git, GitAuth::None) => {
                // The server is told the name all the same.
                env.push(("GIT_OVERRIDE_VIRTUAL_HOST".into(), url.authority().into()));
                remote.host = guard.answering(url, door.patience).await?.to_string();
            }
            _ => return Err(mismatched()),
        }
        config_environment(&mut env, &config);
        env.push(("GIT_ALLOW_PROTOCOL".into(), url.scheme.as_str().into()));
        let mut measured: Vec<PathBuf> = vec![home.path().to_owned()];
        if let Some(place) = place {
            measured.push(place.context.to_owned());
            env.push(("GIT_DIR".into(), home.repository().into()));
            env.push(("GIT_WORK_TREE".into(), place.files.to_owned().into()));
        }
        let (patience, max_bytes, dir) = (door.patience, door.max_bytes, home.path().to_owned());
        let runner = Runner { env, dir, measured, patience, max_bytes, masks, say };
        let plain = url.scheme.is_plain();
        let session = Self { remote: remote.to_string(), runner, socks, plain, _home: home };
        if matches!(auth, GitAuth::Ssh { .. }) {
            session.unlock().await?;
        }
        Ok(session)
    }

    /// Runs git; what it prints.
    pub(super) async fn git(&self, args: &[&str]) -> Result<String, Failure> {
        let mut output = Vec::new();
        self.git_into(args, &mut |bytes| keep(&mut output, bytes)).await?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    /// Runs git, and hands on what it prints as it comes.
    pub(super) async fn git_into(&self, args: &[&str], sink: Sink<'_>) -> Result<(), Failure> {
        let ended = self.run("git", args, sink).await?;
        if ended.status.success() {
            return Ok(());
        }
        match self.socks.as_ref().and_then(Socks::closed) {
            Some(closed) => Err(closed.error(self.plain).into()),
            None => Err(judge(&ended)),
        }
    }

    /// Asks git for something that may not be there.
    pub(super) async fn ask(&self, args: &[&str]) -> Result<Option<String>, BuildError> {
        let mut output = Vec::new();
        let ended = self.run("git", args, &mut |bytes| keep(&mut output, bytes)).await?;
        Ok(ended.status.success().then(|| String::from_utf8_lossy(&output).into_owned()))
    }

    async fn run(&self, program: &str, args: &[&str], sink: Sink<'_>) -> Result<Ended, BuildError> {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        self.runner.run(program, &args, sink).await
    }

    /// Whether the key opens; ssh itself would only say that the server does not take it.
    async fn unlock(&self) -> Result<(), BuildError> {
        let ended = self.run("ssh-keygen", &["-y", "-f", ssh::KEY], &mut |_| Ok(())).await?;
        match ended.status.success() {
            true => Ok(()),
            false => Err(BuildError::permanent(
                "git.key",
                "The ssh key cannot be used: it is no private key, or the passphrase does not open it.",
            )),
        }
    }
}

fn keep(output: &mut Vec<u8>, bytes: &[u8]) -> Result<(), BuildError> {
    output.extend_from_slice(bytes);
    if output.len() > OUTPUT { Err(too_large()) } else { Ok(()) }
}

fn mismatched() -> BuildError {
    let why = "The credentials do not fit the URL: a key is for ssh, a user and password are for https.";
    BuildError::permanent("git.unauthorized", why)
}

/// By the environment: command lines can be read by everybody on the machine.
fn config_environment(env: &mut Vec<(OsString, OsString)>, config: &[(String, OsString)]) {
    for (at, (key, value)) in config.iter().enumerate() {
        env.push((format!("GIT_CONFIG_KEY_{at}").into(), key.into()));
        env.push((format!("GIT_CONFIG_VALUE_{at}").into(), value.clone()));
    }
    env.push(("GIT_CONFIG_COUNT".into(), config.len().to_string().into()));
}

/// Breaches of form that old, honest repositories have in their history.
const HONEST: [&str; 11] = [
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badName",
    "badTimezone",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
];

fn configuration(scheme: Scheme) -> Vec<(String, OsString)> {
    let mut all: Vec<(String, OsString)> = [
        // Nothing of the repository is run.
        ("core.hooksPath", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("core.attributesFile", "/dev/null"),
        ("core.excludesFile", "/dev/null"),
        ("safe.bareRepository", "explicit"),
        ("submodule.recurse", "false"),
        ("fetch.recurseSubmodules", "false"),
        // Names that another file system would take for `.git`. Symlinks are data.
        ("core.protectNTFS", "true"),
        ("core.protectHFS", "true"),
        ("core.symlinks", "true"),
        ("core.autocrlf", "false"),
        ("protocol.allow", "never"),
        ("protocol.version", "2"),
        ("transfer.bundleURI", "false"),
        ("transfer.fsckObjects", "true"),
        // A pack stays one file, and big files are not held in memory.
        ("fetch.unpackLimit", "1"),
        ("core.bigFileThreshold", "32m"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("core.logAllRefUpdates", "false"),
        ("advice.detachedHead", "false"),
        // Empties the list: no helper of the system answers.
        ("credential.helper", ""),
        ("credential.useHttpPath", "false"),
        // Repositories are renamed. Where a redirect leads the proxy decides, what it is told the credential helper.
        ("http.followRedirects", "initial"),
        ("http.lowSpeedLimit", "1"),
        ("http.lowSpeedTime", "120"),
    ]
    .map(|(key, value)| (key.to_owned(), OsString::from(value)))
    .into();
    all.push((format!("protocol.{}.allow", scheme.as_str()), "always".into()));
    all.extend(HONEST.map(|breach| (format!("fetch.fsck.{breach}"), "ignore".into())));
    all
}
