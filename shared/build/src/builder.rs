//! The builders, and which one it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::api::ImageBuilder;
use oci::registry::{Dial, NetworkPolicy};

use crate::buildah::{Buildah, Place};
use crate::buildkit::{BuildKit, Endpoint, Tls};
use crate::receive::{BuiltImage, Taker};
use crate::{BuildError, BuildRequest, Say};

/// A builder: whatever it is, it takes a request, says what it does, and hands layers over. It stops when the future that
/// [`Builder::build`] returned is dropped.
#[derive(Debug, Clone)]
pub enum Builder {
    /// On this machine.
    Buildah(Buildah),
    /// A BuildKit, or Depot, which is one.
    BuildKit(BuildKit),
}

/// What the operator lets integrations be.
#[derive(Debug, Clone, Copy)]
pub struct Allowed<'a> {
    /// What may be connected to.
    pub policy: &'a NetworkPolicy,
    /// Endpoints on this machine, each as an integration names it.
    pub endpoints: &'a [String],
}

fn refused(told: impl Into<String>) -> BuildError {
    BuildError::permanent("builder.endpoint", told)
}

impl Builder {
    /// What an integration stands for; its secret is put back in. `own` is this machine's.
    ///
    /// # Errors
    /// `builder.endpoint` when it is none, or may not be; `builder.unreachable`.
    pub async fn of(builder: &ImageBuilder, own: Buildah, allowed: Allowed<'_>) -> Result<Self, BuildError> {
        let endpoint = match builder {
            ImageBuilder::Buildah(_) => return Ok(Self::Buildah(own)),
            ImageBuilder::Depot(depot) => {
                let token =
                    depot.token.as_ref().ok_or_else(|| refused("Depot wants a token of the project."))?;
                Endpoint::Depot { project: depot.project.clone(), token: token.expose().to_owned().into() }
            }
            ImageBuilder::BuildKit(kit) => endpoint(kit, allowed).await?,
        };
        let program = if matches!(endpoint, Endpoint::Depot { .. }) { "depot" } else { "docker" };
        Ok(Self::BuildKit(BuildKit { endpoint, docker: find(program) }))
    }

    /// Can it be worked with? Answers its version. `scratch` is a directory for this call alone.
    ///
    /// # Errors
    /// `builder.unavailable`, `builder.unreachable`, `builder.tls`.
    pub async fn verify(&self, scratch: &Path) -> Result<String, BuildError> {
        match self {
            Self::Buildah(buildah) => buildah.verify().await,
            Self::BuildKit(kit) => kit.verify(scratch).await,
        }
    }

    /// Builds an image for each platform, and hands their layers over.
    ///
    /// # Errors
    /// Why the build failed, or what the taker said.
    pub async fn build<T: Taker>(
        &self,
        request: &BuildRequest,
        place: &Place<'_>,
        taker: &Arc<T>,
        say: &Say,
    ) -> Result<Vec<BuiltImage>, BuildError> {
        match self {
            Self::Buildah(buildah) => buildah.build(request, place, taker, say).await,
            Self::BuildKit(kit) => kit.build(request, place.job, taker, say).await,
        }
    }
}

async fn endpoint(kit: &model::api::BuildKit, allowed: Allowed<'_>) -> Result<Endpoint, BuildError> {
    check_endpoint(&kit.endpoint, allowed)?;
    if let Some(path) = kit.endpoint.strip_prefix("docker://") {
        return Ok(Endpoint::Docker(path.into()));
    }
    if let Some(path) = kit.endpoint.strip_prefix("unix://") {
        return Ok(Endpoint::Unix(path.into()));
    }
    let address = kit.endpoint.trim_start_matches("tcp://").trim_end_matches('/');
    let tls = match (&kit.ca, &kit.cert, &kit.key) {
        (Some(ca), Some(cert), Some(key)) => {
            Some(Tls { ca: ca.clone(), cert: cert.clone(), key: key.expose().to_owned().into() })
        }
        (None, None, None) => None,
        _ => return Err(refused("Certificates are three: ca, cert and key.")),
    };
    let away = || BuildError::transient("builder.unreachable", format!("There is no builder at {address}."));
    let (host, port) = host_port(address).ok_or_else(|| refused("An endpoint has a host and a port."))?;
    let found = tokio::net::lookup_host((host, port)).await.map_err(|_| away())?;
    let dial = Dial { host, port, named: true, plain: tls.is_none() };
    let mut any = false;
    for at in found {
        any = true;
        if allowed.policy.admits_dial(dial, at.ip()) {
            // This very address is dialled, whatever the name stands for by then.
            let name = kit.server_name.clone().or_else(|| Some(host.to_owned()));
            return Ok(Endpoint::Tcp { address: at.to_string(), name, tls });
        }
    }
    if !any {
        return Err(away());
    }
    let told = "The builder's address is not public, or is spoken to without certificates; ask the operator for --allow-network.";
    Err(BuildError::permanent("ssrf.blocked", told))
}

/// Can this stand as an endpoint? Nothing is looked up yet.
///
/// # Errors
/// `builder.endpoint`.
pub fn check_endpoint(text: &str, allowed: Allowed<'_>) -> Result<(), BuildError> {
    if text.starts_with("docker://") || text.starts_with("unix://") {
        // Whoever talks to such a socket has this machine.
        return match allowed.endpoints.iter().any(|one| one == text) {
            true => Ok(()),
            false => Err(refused("Sockets of the factory's machine need the operator's --allow-builder.")),
        };
    }
    let address = text.strip_prefix("tcp://").map(|rest| rest.trim_end_matches('/')).and_then(host_port);
    if address.is_some() { Ok(()) } else { Err(refused("An endpoint is `tcp://host:port`.")) }
}

fn host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let clean = !host.is_empty()
        && !host.starts_with('-')
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
    clean.then_some((host, port.parse().ok()?))
}

/// Where a program is; its bare name where it is not, which is told when it is started.
fn find(program: &str) -> PathBuf {
    // Tests, and operators who have it in no usual place.
    let named = std::env::var_os(format!("PLATEN_{}", program.to_ascii_uppercase())).map(PathBuf::from);
    named.unwrap_or_else(|| program.into())
}
