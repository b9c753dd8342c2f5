//! `platen up`: every service in one process, with private servers unless their URLs are set.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use axum::Router;
use chassis::service::Services;
use chassis::{Config, Context};
use clap::{Args, ValueEnum};
use embedded::Embedded;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::processes;

mod detach;
mod env_file;
mod first_run;

pub(crate) use env_file::{EnvFile, read as read_env};

/// Run the factory.
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub config: Config,
    /// The address to serve the API and `/v2/` on; port 0 chooses a free one.
    #[arg(long, env = "PLATEN_LISTEN", default_value = "127.0.0.1:7080")]
    pub listen: SocketAddr,
    /// Only these services; all when not given.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Service>,
    /// The hub made on the first run.
    #[arg(long, env = "PLATEN_HUB", default_value = "main")]
    pub hub: String,
    /// An API key for that hub, of the form that Platen makes; one is made when not given.
    #[arg(long, env = "PLATEN_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,
    /// Go to the background once everything runs.
    #[arg(long)]
    pub detach: bool,
}

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Service {
    /// The HTTP API.
    Api,
    /// Pins targets.
    Resolver,
    /// Fetches, flattens, stores.
    Factory,
    /// Verifies, makes live, serves `/v2/`.
    Distributor,
    /// Prunes and reclaims.
    Pruner,
    /// Keeps build logs.
    Logbook,
}

pub(crate) async fn run(mut args: Up) -> Result<()> {
    first_run::prepare(&args.config.data_dir)?;
    args.config.data_dir = args.config.data_dir.canonicalize()?;
    if args.detach {
        return detach::run(&args).await;
    }
    chassis::telemetry::init("info,sqlx=warn,async_nats=warn");
    let shutdown = CancellationToken::new();
    let starting = embedded(&mut args);
    let embedded = tokio::select! {
        embedded = starting => embedded?,
        () = chassis::service::signalled() => return Ok(()),
    };
    let outcome = serve(args, shutdown).await;
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    outcome
}

/// Starts a private NATS and PostgreSQL, each unless its URL is set.
async fn embedded(args: &mut Up) -> Result<Option<Embedded>> {
    forget_own(&mut args.config);
    let (nats, postgres) = (args.config.nats_url.is_none(), args.config.database_url.is_none());
    if !nats && !postgres {
        return Ok(None);
    }
    // As docker does, a factory on one machine may talk to that machine's own registries.
    if nats && postgres {
        args.config.allow_loopback.get_or_insert(true);
    }
    let started = Embedded::start(embedded::Options::new(&args.config.data_dir, nats, postgres)).await?;
    if let Some(url) = started.nats_url() {
        args.config.nats_url = Some(url.to_owned());
    }
    if let Some(url) = started.database_url() {
        args.config.database_url = Some(url.to_owned());
    }
    Ok(Some(started))
}

/// Somebody may have read `platen.env` into the environment: addresses of our own private servers are not others'.
fn forget_own(config: &mut Config) {
    let Some(before) = read_env(&config.data_dir.join("platen.env")) else { return };
    if config.data_dir.join("nats").is_dir() && config.nats_url.as_deref() == Some(&before.nats_url) {
        config.nats_url = None;
    }
    if config.data_dir.join("postgres").is_dir()
        && config.database_url.as_deref() == Some(&before.database_url)
    {
        config.database_url = None;
    }
}

async fn serve(args: Up, shutdown: CancellationToken) -> Result<()> {
    let Up { config, listen, only, hub, api_key, .. } = args;
    let wanted: BTreeSet<Service> = if only.is_empty() {
        Service::value_variants().iter().copied().collect()
    } else {
        only.into_iter().collect()
    };
    let data_dir = config.data_dir.clone();
    let (nats_url, database_url) = (config.nats().to_owned(), config.database().to_owned());
    let opening = Context::open(config, "platen", shutdown);
    let cx = tokio::select! {
        cx = opening => cx?,
        () = chassis::service::signalled() => return Ok(()),
    };
    let file = data_dir.join("platen.env");
    let (hub, key) = first_run::bootstrap(&cx, &hub, api_key, &file).await?;
    let mut services = Services::new(cx.clone());
    let url = start(&cx, &mut services, &wanted, listen).await?;
    // Processes that share a data directory share the file; one that serves nothing leaves the address alone.
    let url = url.or_else(|| read_env(&file).map(|env| env.url)).unwrap_or_default();
    EnvFile { url: url.clone(), key, hub, nats_url, database_url }.write(&file)?;
    let _mark = processes::mark(&data_dir)?;
    ready(&url, &file, &wanted);
    let outcome = services.run().await;
    cx.db.close().await;
    outcome
}

async fn start(
    cx: &Context,
    services: &mut Services,
    wanted: &BTreeSet<Service>,
    listen: SocketAddr,
) -> Result<Option<String>> {
    let mut routes = None;
    if wanted.contains(&Service::Distributor) {
        routes = Some(Router::new().merge(distributor::routes(cx)?));
        services.start("distributor", distributor::run);
    }
    if wanted.contains(&Service::Api) {
        routes = Some(routes.unwrap_or_default().merge(api::routes(cx)?));
    }
    if wanted.contains(&Service::Resolver) {
        services.start("resolver", resolver::run);
    }
    if wanted.contains(&Service::Factory) {
        services.start("factory", factory::run);
    }
    if wanted.contains(&Service::Pruner) {
        services.start("pruner", pruner::run);
    }
    if wanted.contains(&Service::Logbook) {
        services.start("logbook", logbook::run);
    }
    let Some(routes) = routes else { return Ok(None) };
    let listener = chassis::serve::bind(listen).await?;
    let address = listener.local_addr().context("the address listened on is not known")?;
    services.start("http", move |cx| chassis::serve::serve(listener, routes, cx.shutdown.clone()));
    Ok(Some(format!("http://{address}")))
}

fn ready(url: &str, file: &Path, wanted: &BTreeSet<Service>) {
    info!(
        services = wanted.len(),
        "the factory is up at {url}; its addresses and key are in {}",
        file.display()
    );
}
