//! The one outgoing client for everything that a tenant can name, and what its errors mean for an import.

use std::time::Duration;

use anyhow::{Context as _, Result};
use model::Failure;
use model::source::Origin;
use oci::manifest::{Platform, PlatformError, Platforms};
use oci::reference::{ReferenceError, Target};
use oci::registry::{Client, Credentials, NetworkPolicy, Patience, RegistryError};

use crate::{Config, Halt};

/// A client that keeps to the operator's settings.
///
/// # Errors
/// When a network or certificate in the settings is none.
pub(crate) fn client(config: &Config) -> Result<Client> {
    let loopback = config.allow_loopback.unwrap_or(false);
    let mut policy = if loopback { NetworkPolicy::embedded() } else { NetworkPolicy::default() };
    for entry in config.allow_network.iter().map(|entry| entry.trim()) {
        if let Ok(network) = entry.parse() {
            policy.networks.push(network);
        } else {
            let host = entry.parse().map_err(anyhow::Error::msg);
            policy
                .hosts
                .push(host.context("--allow-network takes a network (`10.0.0.0/8`), a host, or host:port")?);
        }
    }
    for file in &config.ca_file {
        let pem =
            std::fs::read(file).with_context(|| format!("the CA file {} cannot be read", file.display()))?;
        policy.extra_roots.push(pem);
    }
    Ok(Client::with_patience(policy, patience(config))?)
}

fn patience(config: &Config) -> Patience {
    let silence = Duration::from_secs(config.registry_silence.max(1));
    let usual = Patience::default();
    // An attempt is short: the import itself is tried again, with pauses that grow, and others get their turn.
    Patience {
        attempts: 3,
        pause: Duration::from_millis(200),
        retry_after_max: Duration::from_secs(2),
        connect: usual.connect.min(silence),
        silence,
        slow_window: Duration::from_secs(config.registry_rate_window.max(1)),
        slow_floor: config.registry_min_rate,
        ..usual
    }
}

/// Where an origin leads; none where it has no registry. `target` may be another than the origin's own.
///
/// # Errors
/// When the target cannot be one.
pub fn target(origin: &Origin, target: &str) -> Result<Option<Target>, ReferenceError> {
    match (origin, origin.url()) {
        (Origin::DockerHub(_), _) => Target::docker_hub(target).map(Some),
        (_, Some(url)) => Target::at(url, target).map(Some),
        (_, None) => Ok(None),
    }
}

/// The platforms that were asked for, or this machine's.
///
/// # Errors
/// When one is none.
pub fn platforms(wanted: Option<&str>) -> Result<Platforms, PlatformError> {
    wanted.map_or_else(|| Ok(Platforms::These(vec![Platform::host()])), str::parse)
}

/// The credentials of an origin whose secrets are opened.
pub fn credentials(origin: &Origin) -> Option<Credentials> {
    origin.login().map(|login| Credentials {
        username: login.username,
        password: login.secret.expose().to_owned().into(),
    })
}

/// A registry's error, as it ends an attempt.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub fn halt(error: RegistryError) -> Halt {
    Halt::failed(failure(&error), &error)
}

/// A registry's error, as the user is told.
pub fn failure(error: &RegistryError) -> Failure {
    let failure = Failure::new(error.code(), error.to_string(), !error.is_permanent());
    Failure { retry_at: error.retry_at().map(Into::into), ..failure }
}
