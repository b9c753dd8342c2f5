//! What a builder is asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// What a builder is asked for. Secrets in it are not part of its `Debug`.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The directory that is the build context.
    pub context: PathBuf,
    /// The Dockerfile, relative to the context.
    pub build_file: PathBuf,
    /// The stage to build; the last one when absent.
    pub target: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// Secrets for `RUN --mount=type=secret`, by their id.
    pub secrets: Vec<(String, SecretString)>,
    /// The platforms, `os/architecture[/variant]`; never empty. Each becomes an image.
    pub platforms: Vec<String>,
    /// Who may pull parents.
    pub logins: Vec<ParentLogin>,
    /// What the steps may reach.
    pub network: Network,
    /// Temporary files go to the disk; to memory where false.
    pub use_disk: bool,
    /// What it may take.
    pub limits: Limits,
}

/// Credentials for a registry that parents (`FROM`, `COPY --from`) are pulled from.
#[derive(Debug, Clone)]
pub struct ParentLogin {
    /// The registry's scheme, where it was given.
    pub scheme: Option<String>,
    /// The registry, `host[:port]`; `docker.io` for Docker Hub.
    pub host: String,
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: SecretString,
}

/// What the steps of a build may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// Public addresses, and those that the operator allows.
    #[default]
    Public,
    /// Nothing. Parents are still pulled.
    None,
}

/// What a build may take. Beyond it, it is ended with a code of its own.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long it may last.
    pub time: Duration,
    /// Bytes of memory for all its processes together.
    pub memory: u64,
    /// Processes and threads at once.
    pub processes: u64,
    /// Bytes that it may write to the disk.
    pub disk: u64,
    /// Bytes that it may say.
    pub log: u64,
    /// Bytes that one line may have.
    pub line: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(3600),
            memory: 4 << 30,
            processes: 4096,
            disk: 20 << 30,
            log: 64 << 20,
            line: 16 << 20,
        }
    }
}
