//! What a service is given when it runs.

use std::sync::Arc;

use anyhow::Result;
use bus::Bus;
use db::Db;
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::seal::Sealer;

/// What a service is given when it runs: cheap to clone, the same for every service of a process.
#[derive(Debug, Clone)]
pub struct Context {
    /// Settings.
    pub config: Arc<Config>,
    /// Rows.
    pub db: Db,
    /// Subjects.
    pub bus: Bus,
    /// Seals and opens secrets.
    pub sealer: Sealer,
    /// Says when to stop taking on work.
    pub shutdown: CancellationToken,
    /// Registries, for all services of the process: what one has asked for the next need not ask again.
    pub registry: oci::registry::Client,
    /// This process, in leases: `<service>-<process id>-<random>`.
    pub instance: Arc<str>,
}

impl Context {
    /// Connects to the database and the bus, brings schema and streams up to date.
    ///
    /// # Errors
    /// When a URL is wrong, a migration fails, or the sealing key is not usable. Servers that are away are waited for.
    pub async fn open(config: Config, name: &str, shutdown: CancellationToken) -> Result<Self> {
        let sealer = Sealer::open(&config)?;
        let registry = crate::registry::client(&config)?;
        let db = Db::connect(config.database(), config.database_connections)?;
        let bus = Bus::connect(config.nats(), &format!("platen {name}")).await?;
        wait_for(&db).await?;
        bus.ensure_streams().await?;
        let instance =
            format!("{name}-{}-{}", std::process::id(), hex::encode(crate::key::random::<4>()?)).into();
        Ok(Self { config: Arc::new(config), db, bus, sealer, shutdown, registry, instance })
    }
}

async fn wait_for(db: &Db) -> Result<()> {
    loop {
        match db.migrate().await {
            Ok(()) => return Ok(()),
            Err(error) if db.ping().await.is_err() => {
                tracing::warn!(error = %error, "the database is away; trying again");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
