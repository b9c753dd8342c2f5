//! Settings every service shares. Each flag is also an environment variable, under its usual name where one exists.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

mod build;

pub use build::BuildConfig;

/// Settings of a process.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// The NATS server, `nats://[user:password@]host:port`.
    #[arg(long, env = "NATS_URL", hide_env_values = true)]
    pub nats_url: Option<String>,

    /// The PostgreSQL database, `postgres://user:password@host:port/name`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Where everything is kept that is not in those servers.
    #[arg(long, env = "PLATEN_DATA_DIR", default_value = "platen-data")]
    pub data_dir: PathBuf,

    /// Where bytes are kept, shared by all services; `store` in the data directory when not given.
    #[arg(long, env = "PLATEN_STORE_DIR")]
    pub store_dir: Option<PathBuf>,

    /// Connections to the database that this process may hold.
    #[arg(long, env = "PLATEN_DATABASE_CONNECTIONS", default_value_t = 16)]
    pub database_connections: u32,

    /// The key that secrets are sealed with: 64 hex digits.
    #[arg(long, env = "PLATEN_SECRET_KEY", hide_env_values = true)]
    pub secret_key: Option<String>,

    /// A file with that key; `secret.key` in the data directory when neither is given.
    #[arg(long, env = "PLATEN_SECRET_KEY_FILE")]
    pub secret_key_file: Option<PathBuf>,

    /// Imports that one process works on at once, for each stage.
    #[arg(long, env = "PLATEN_SLOTS", default_value_t = 4)]
    pub slots: usize,

    /// Networks and hosts (`10.0.0.0/8`, `registry.lan:5000`) that a factory may talk to although they are private,
    /// also over plain http. Repeat it, or separate by commas.
    #[arg(long, env = "PLATEN_ALLOW_NETWORK", value_delimiter = ',')]
    pub allow_network: Vec<String>,

    /// Let users name registries on this machine (127.0.0.0/8 and ::1), also over plain http, as docker does. When not
    /// given, a factory with private servers of its own does so and any other does not; `=false` forbids it.
    #[arg(
        long,
        env = "PLATEN_ALLOW_LOOPBACK",
        value_parser = clap::builder::BoolishValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub allow_loopback: Option<bool>,

    /// A PEM file of further certificate authorities that registries' certificates may be signed by.
    #[arg(long, env = "PLATEN_CA_FILE")]
    pub ca_file: Vec<PathBuf>,

    /// Uncompressed bytes that the layers of one image may hold, and that an uploaded archive may unpack to.
    #[arg(long, env = "PLATEN_MAX_BYTES", default_value_t = 20 << 30)]
    pub max_bytes: u64,

    /// Entries that the layers of one image may hold. Each takes about 500 bytes of memory while it is imported.
    #[arg(long, env = "PLATEN_MAX_ENTRIES", default_value_t = 2_000_000)]
    pub max_entries: u64,

    /// Another limit on a single entry of a layer, `name=value`: path, component, depth, link, pax, xattr, xattrs,
    /// xattr-bytes, sparse, zstd-window (its base-2 logarithm). Repeat it, or separate by commas.
    #[arg(long, env = "PLATEN_LIMIT", value_delimiter = ',', value_parser = limit)]
    pub limit: Vec<(String, u64)>,

    /// The least speed of a registry, in bytes a second. An import from a slower one fails with `registry.too_slow`.
    #[arg(long, env = "PLATEN_REGISTRY_MIN_RATE", default_value_t = 65_536)]
    pub registry_min_rate: u64,

    /// Over how many seconds of waiting for its bytes a registry's speed is taken.
    #[arg(long, env = "PLATEN_REGISTRY_RATE_WINDOW", default_value_t = 60)]
    pub registry_rate_window: u64,

    /// How many seconds a registry may stay silent, before its answer begins and between its bytes.
    #[arg(long, env = "PLATEN_REGISTRY_SILENCE", default_value_t = 30)]
    pub registry_silence: u64,

    /// How many seconds a stage may work on an import before it fails with `import.too_long`.
    #[arg(long, env = "PLATEN_IMPORT_LIMIT", default_value_t = 14_400)]
    pub import_limit: u64,

    /// Builds.
    #[command(flatten)]
    pub build: BuildConfig,

    /// How long the bytes of a pruned image stay on disk, in seconds: pulls under way end in peace.
    #[arg(long, env = "PLATEN_RECLAIM_GRACE", default_value_t = 60)]
    pub reclaim_grace: u64,
    /// Bytes a second that a scrub reads at the most; 0 for none.
    #[arg(long, env = "PLATEN_SCRUB_RATE", default_value_t = 8 << 20)]
    pub scrub_rate: u64,
    /// Seconds after which what is stored is read again.
    #[arg(long, env = "PLATEN_SCRUB_EVERY", default_value_t = 86_400)]
    pub scrub_every: u64,
}

impl Config {
    /// The directory of the store.
    pub fn store_dir(&self) -> PathBuf {
        self.store_dir.clone().unwrap_or_else(|| self.data_dir.join("store"))
    }

    /// The NATS server: the one given, else one on this machine.
    pub fn nats(&self) -> &str {
        self.nats_url.as_deref().unwrap_or("nats://127.0.0.1:4222")
    }

    /// The database: the one given, else one on this machine.
    pub fn database(&self) -> &str {
        self.database_url.as_deref().unwrap_or("postgres://127.0.0.1/platen")
    }

    /// What the layers of an image may hold.
    pub fn limits(&self) -> oci::limits::Limits {
        let mut limits =
            oci::limits::Limits { bytes: self.max_bytes, entries: self.max_entries, ..Default::default() };
        for (name, value) in &self.limit {
            // Checked when it was read.
            let _ = limits.set(name, *value);
        }
        limits
    }

    /// May users name repositories by `git://`?
    pub fn git_protocol(&self) -> bool {
        self.build.allow_git_protocol || self.allow_loopback.unwrap_or(false)
    }

    /// The grace time of a reclaim.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.reclaim_grace)
    }
}

/// Reads `name=value`.
fn limit(text: &str) -> Result<(String, u64), String> {
    let read = text.split_once('=').and_then(|(name, value)| Some((name.trim(), value.trim().parse().ok()?)));
    let (name, value) = read.ok_or("write a limit as `name=number`")?;
    oci::limits::Limits::default().set(name, value)?;
    Ok((name.to_owned(), value))
}
