//! The one outgoing client for everything that a tenant can name, and what its errors mean for an import.

use anyhow::{Context as _, Result};
use model::Failure;
use model::source::Origin;
use oci::manifest::ManifestError;
use oci::registry::{Client, Credentials, NetworkPolicy, Patience, RegistryError};

use crate::{Config, Halt};

/// A client that keeps to the operator's settings.
///
/// # Errors
/// When a network or certificate in the settings is none.
pub fn client(config: &Config) -> Result<Client> {
    let mut policy = NetworkPolicy::default().allow(&config.allow_network)?;
    if config.allow_loopback {
        policy = policy.allow_loopback();
    }
    for file in &config.ca_file {
        let pem =
            std::fs::read(file).with_context(|| format!("the CA file {} cannot be read", file.display()))?;
        policy = policy.trust(pem);
    }
    Ok(Client::new(policy, Patience::default())?)
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
    Failure { code: error.code().to_owned(), message: error.to_string(), transient: !error.is_permanent() }
}

/// A manifest that was refused.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub fn refused(error: ManifestError) -> Halt {
    Failure::permanent(error.code(), error.to_string()).into()
}
