//! What builds may take, and where their parents come from.

use clap::Args;

/// Settings of builds.
#[derive(Debug, Clone, Args)]
pub struct BuildConfig {
    /// Builds of one hub that run at once, in all factories together.
    #[arg(long, env = "PLATEN_BUILDS", default_value_t = 2)]
    pub builds: u32,

    /// How many seconds a build may last.
    #[arg(long, env = "PLATEN_BUILD_TIME", default_value_t = 3600)]
    pub build_time: u64,

    /// Bytes of memory for all processes of a build together.
    #[arg(long, env = "PLATEN_BUILD_MEMORY", default_value_t = 4 << 30)]
    pub build_memory: u64,

    /// Processes and threads of a build.
    #[arg(long, env = "PLATEN_BUILD_PROCESSES", default_value_t = 4096)]
    pub build_processes: u64,

    /// Bytes that a build may write to the disk.
    #[arg(long, env = "PLATEN_BUILD_DISK", default_value_t = 20 << 30)]
    pub build_disk: u64,

    /// Bytes that a build may print.
    #[arg(long, env = "PLATEN_BUILD_LOG", default_value_t = 64 << 20)]
    pub build_log: u64,

    /// Bytes that one line of a build's output may have.
    #[arg(long, env = "PLATEN_BUILD_LOG_LINE", default_value_t = 16 << 20)]
    pub build_log_line: u64,

    /// Bytes that base images and cached steps of a hub may take on a factory's disk.
    #[arg(long, env = "PLATEN_BUILD_CACHE", default_value_t = 20 << 30)]
    pub build_cache: u64,

    /// Where the images of a registry that Dockerfiles name are asked for first: `docker.io=https://mirror.example`. Repeat it,
    /// or separate by commas.
    #[arg(long, env = "PLATEN_REGISTRY_MIRROR", value_delimiter = ',')]
    pub registry_mirror: Vec<String>,

    /// Builders on this machine that integrations may name, `docker:///run/docker.sock` or `unix:///run/buildkit/buildkitd.sock`.
    /// Who builds with one has the machine. Repeat it, or separate by commas.
    #[arg(long, env = "PLATEN_ALLOW_BUILDER", value_delimiter = ',')]
    pub allow_builder: Vec<String>,

    /// Let users name repositories by `git://`, which neither encrypts nor authenticates. When not given, only on this machine,
    /// and only where its registries may be named.
    #[arg(long, env = "PLATEN_ALLOW_GIT_PROTOCOL")]
    pub allow_git_protocol: bool,
}
