//! A claimed import, and what its worker needs at hand.

use db::import::Claim;
use model::Secret;
use model::source::Origin;
use tokio_util::sync::CancellationToken;

use crate::joblog::JobLog;
use crate::seal::Place;
use crate::{Context, Halt};

/// A claimed import. Cloning shares its log and its fate.
#[derive(Debug, Clone)]
pub struct Job {
    /// The claim.
    pub claim: Claim,
    /// Its build log.
    pub log: JobLog,
    /// Cancelled when the claim is lost: blocking work looks at it.
    pub lost: CancellationToken,
}

/// The source of an import, its override applied and its secrets opened.
#[derive(Debug)]
pub struct OpenSource {
    /// Where the image comes from.
    pub origin: Origin,
    /// How the flat image is made.
    pub flat: model::source::FlatOptions,
    /// Which builder builds it.
    pub builder: Option<model::api::BuilderChoice>,
    /// Its identifier.
    pub identifier: String,
}

impl Job {
    /// The source, with the image's override applied and its secrets opened; they are masked in the log from now on.
    ///
    /// # Errors
    /// When the source is gone, or a secret does not open.
    pub async fn source(&self, cx: &Context) -> Result<OpenSource, Halt> {
        let gone =
            || model::Failure::permanent("source.missing", "The image's source does not exist any more.");
        let row = cx.db.source_by_id(&self.claim.source).await?.ok_or_else(gone)?;
        let (mut origin, mut flat) = (row.source.origin, row.source.flat);
        for (field, sealed) in &row.sealed {
            let place = Place { hub: self.claim.hub.as_str(), owner: self.claim.source.as_str(), field };
            let secret: Secret = cx.sealer.open_sealed(place, sealed).map_err(|error| Halt::Failed {
                failure: model::Failure::permanent(
                    "source.secret",
                    "The source's credentials cannot be opened; enter them again.",
                ),
                chain: format!("{error:#}"),
            })?;
            self.log.mask(secret.expose());
            origin.put_secret(field, secret);
        }
        if let Some(target) = &self.claim.overrides.target {
            origin.set_target(target);
        }
        if let Some(url) = &self.claim.overrides.targz_url {
            origin.set_targz(url);
        }
        if let Some(wanted) = &self.claim.overrides.flat {
            flat = wanted.clone();
        }
        let builder = self.claim.build.builder.clone().or(row.source.builder);
        Ok(OpenSource { origin, flat, builder, identifier: row.source.identifier })
    }

    /// The secrets that the image is built with, by their ids; they are masked in the log from now on.
    ///
    /// # Errors
    /// When one does not open.
    pub fn build_secrets(&self, cx: &Context) -> Result<Vec<(String, Secret)>, Halt> {
        let mut opened = Vec::new();
        for (id, sealed) in &self.claim.secrets {
            let field = format!("build.{id}");
            let place =
                Place { hub: self.claim.hub.as_str(), owner: self.claim.image.as_str(), field: &field };
            let secret: Secret = cx.sealer.open_sealed(place, sealed).map_err(|error| Halt::Failed {
                failure: model::Failure::permanent(
                    "build.secret",
                    format!("The build's secret `{id}` cannot be opened; create the image again."),
                ),
                chain: format!("{error:#}"),
            })?;
            self.log.mask(secret.expose());
            opened.push((id.clone(), secret));
        }
        Ok(opened)
    }
}
