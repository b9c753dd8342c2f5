//! The private directory of a session: git's home, its repository, and the credentials while they are needed.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use oci::registry::NetworkPolicy;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use super::url::RemoteUrl;
use crate::BuildError;

/// Only we can look into it, and it goes when it is dropped.
pub(super) struct Home {
    _dir: TempDir,
    /// Without symlinks in it: git compares it with other paths.
    path: PathBuf,
}

/// Where distributions keep the certificates they trust.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Home {
    pub(super) fn new() -> Result<Self, BuildError> {
        let make = || {
            let dir = tempfile::Builder::new().prefix("platen-git-").tempdir()?;
            let path = dir.path().canonicalize()?;
            Ok(Self { _dir: dir, path })
        };
        make().map_err(disk)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the repository is, apart from its files.
    pub(super) fn repository(&self) -> PathBuf {
        self.path.join("repository")
    }

    /// Writes a file that only we can read, or run.
    pub(super) fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<PathBuf, BuildError> {
        let path = self.path.join(name);
        let write =
            || OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?.write_all(bytes);
        write().map_err(disk)?;
        Ok(path)
    }

    /// A credential helper (gitcredentials(7)) that answers for one server and for no other: git asks anew when it has
    /// been redirected. What to put into `credential.helper`.
    pub(super) fn http(
        &self,
        url: &RemoteUrl,
        username: &str,
        password: &SecretString,
    ) -> Result<String, BuildError> {
        let password = password.expose_secret();
        if [username, password].iter().any(|text| text.contains(['\n', '\r', '\0'])) {
            let why = "The user name or the password has a line break in it.";
            return Err(BuildError::permanent("git.unauthorized", why));
        }
        let answer =
            self.write("login", format!("username={username}\npassword={password}\n").as_bytes(), 0o600)?;
        let script = format!(
            "[ \"$1\" = get ] || exit 0\nprotocol= host=\nwhile IFS== read -r name value; do\n\
             case \"$name\" in protocol) protocol=$value;; host) host=$value;; esac\ndone\n\
             [ \"$protocol://$host\" = {} ] && exec cat {}\nexit 0\n",
            quoted(&format!("{}://{}", url.scheme.as_str(), url.authority())),
            quoted(&answer.to_string_lossy()),
        );
        let script = self.write("credential", script.as_bytes(), 0o600)?;
        Ok(format!("!sh {}", quoted(&script.to_string_lossy())))
    }

    /// The system's certificate authorities and the operator's, in one file, as git takes no second one. None where git
    /// finds them by itself.
    pub(super) fn roots(&self, policy: &NetworkPolicy) -> Result<Option<PathBuf>, BuildError> {
        let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        if policy.extra_roots.is_empty() {
            return Ok(named);
        }
        let system = named.into_iter().chain(BUNDLES.map(PathBuf::from)).find_map(|file| fs::read(file).ok());
        let all: Vec<Vec<u8>> = system.into_iter().chain(policy.extra_roots.iter().cloned()).collect();
        self.write("roots.pem", &all.join(&b'\n'), 0o600).map(Some)
    }
}

/// The environment of every command.
pub(super) fn environment(home: &Home) -> Vec<(OsString, OsString)> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let above = home.path.parent().map(|dir| dir.as_os_str().to_owned()).unwrap_or_default();
    let mut env: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), path),
        // A repository above the home would be taken for ours, its configuration with it.
        ("GIT_CEILING_DIRECTORIES".into(), above),
    ];
    for name in ["HOME", "XDG_CONFIG_HOME", "TMPDIR"] {
        env.push((name.into(), home.path.clone().into()));
    }
    for (name, value) in [
        // What it says is judged by its words.
        ("LANG", "C.UTF-8"),
        ("LC_ALL", "C.UTF-8"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        // Fails: who gets here has no credentials.
        ("GIT_ASKPASS", "false"),
        ("GIT_PROTOCOL_FROM_USER", "0"),
        ("GIT_LFS_SKIP_SMUDGE", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_ADVICE", "0"),
    ] {
        env.push((name.into(), value.into()));
    }
    env
}

/// As one word of a shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

pub(super) fn disk(error: io::Error) -> BuildError {
    tracing::error!(%error, "a working directory cannot be written");
    BuildError::transient("git.disk", "The factory cannot write the files of the repository.")
}
