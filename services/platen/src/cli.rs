//! What can be said on the command line. Data goes to standard output, progress and logs to standard error.

use clap::{Args, Parser, Subcommand};

use crate::{down, events, images, import, logs, prune, quickstart, sources, storage, up, verify};

/// A container image factory: give it an image source, get one flat image, stored once and served everywhere.
#[derive(Debug, Parser)]
#[command(name = "platen", version, about, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the factory: every service in this process, with a private NATS and PostgreSQL unless their URLs are set.
    Up(Box<up::Up>),
    /// Stop the factory of a data directory.
    Down(down::Down),
    /// Create an image, import into it, follow the log, report: all in one.
    Import(Box<import::Import>),
    /// List images.
    Images(images::Images),
    /// List image sources.
    Sources(sources::Sources),
    /// Print an image's build log.
    Logs(logs::Logs),
    /// Let unused images go.
    Prune(prune::Prune),
    /// Print what happened.
    Events(events::Events),
    /// Pull an image and compute its digests, diff_ids and certificates again, on this machine.
    Verify(verify::Verify),
    /// Show what the hub's images take.
    Storage(storage::Storage),
    /// Start a factory, import a real image, and show what became of it.
    Quickstart(Box<quickstart::Quickstart>),
}

impl Cli {
    /// Is this a factory, which runs for long and on many threads?
    pub(crate) fn is_factory(&self) -> bool {
        matches!(self.verb, Verb::Up(_))
    }
}

/// Where the factory is, and who is asking.
#[derive(Debug, Clone, Args)]
pub(crate) struct Server {
    /// The factory's address.
    #[arg(long, env = "PLATEN_URL", default_value = "http://127.0.0.1:7080")]
    pub url: String,
    /// An API key.
    #[arg(long, env = "PLATEN_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,
    /// The hub, as it stands in references to pull by.
    #[arg(long, env = "PLATEN_HUB", default_value = "main")]
    pub hub: String,
    /// Where images are pulled from, `host:port`, when that is not the factory's address.
    #[arg(long, env = "PLATEN_REGISTRY")]
    pub registry: Option<String>,
}

/// Does what was said.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.verb {
        Verb::Up(up) => up::run(*up).await,
        Verb::Down(down) => down::run(&down).await,
        Verb::Import(import) => import::run(&import).await,
        Verb::Images(images) => images::run(&images).await,
        Verb::Sources(sources) => sources::run(&sources).await,
        Verb::Logs(logs) => logs::run(&logs).await,
        Verb::Prune(prune) => prune::run(&prune).await,
        Verb::Events(events) => events::run(&events).await,
        Verb::Verify(verify) => verify::run(&verify).await,
        Verb::Storage(storage) => storage::run(&storage).await,
        Verb::Quickstart(quickstart) => quickstart::run(*quickstart).await,
    }
}
