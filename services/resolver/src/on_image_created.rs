//! `image.created` (and an import asked for later): ask the registry what the target is just now, and pin it.

use chassis::stage::Worker;
use chassis::{Context, Halt, Job, registry};
use db::import::Claim;
use model::Failure;
use model::log::Stage;
use model::pin::Pin;
use oci::manifest::{Document, Platform};
use oci::reference::{Target, Version};
use oci::registry::{Client, Repository};

/// Pins targets.
pub(crate) struct Pinner {
    client: Client,
}

impl Pinner {
    pub(crate) fn new(cx: &Context) -> anyhow::Result<Self> {
        Ok(Self { client: registry::client(&cx.config)? })
    }
}

impl Worker for Pinner {
    const STAGE: Stage = Stage::Resolver;

    async fn claim(&self, cx: &Context) -> db::Result<Option<Claim>> {
        cx.db.claim_to_pin(&cx.instance).await
    }

    async fn work(&self, cx: &Context, job: &Job) -> Result<(), Halt> {
        let source = job.source(cx).await?;
        let pin = match (&job.claim.upload, source.origin.target()) {
            (Some((digest, size)), None) => {
                job.log.say(format!("The archive has {size} bytes, {digest}."));
                Pin::Upload { digest: digest.clone(), size: *size }
            }
            (_, Some(target)) => {
                let target = Target::of(&source.origin, target)
                    .map_err(|e| Failure::permanent(e.code(), e.to_string()))?;
                let wanted = platform(source.flat.platform.as_deref())?;
                let repository = self.client.repository(&target, registry::credentials(&source.origin));
                pin(job, &repository, &wanted).await?
            }
            (None, None) => {
                return Err(Failure::permanent("source.empty", "The source has nothing to import.").into());
            }
        };
        let end = job.log.flush().await;
        cx.db.pinned(&job.claim, &pin, end).await?;
        Ok(())
    }
}

fn platform(wanted: Option<&str>) -> Result<Platform, Failure> {
    match wanted {
        Some(text) => text
            .parse()
            .map_err(|e: oci::manifest::ManifestError| Failure::permanent(e.code(), e.to_string())),
        None => Ok(Platform::host()),
    }
}

/// Indexes are followed at most twice.
const NESTED: usize = 2;

async fn pin(job: &Job, repository: &Repository, wanted: &Platform) -> Result<Pin, Halt> {
    let target = repository.target();
    job.log.say(format!("Asking for {target}."));
    let first = repository.manifest(&target.version).await.map_err(registry::halt)?;
    let mut fetched = first.clone();
    for _ in 0..=NESTED {
        let document =
            Document::parse(&fetched.bytes, fetched.media_type.as_deref()).map_err(registry::refused)?;
        match document {
            Document::Manifest(_) => {
                job.log.say(format!("Pinned to {} for {wanted}.", fetched.digest));
                return Ok(Pin::Registry {
                    target: target.to_string(),
                    digest: first.digest.to_string(),
                    manifest: fetched.digest.to_string(),
                    platform: wanted.to_string(),
                });
            }
            Document::Index(index) => {
                let entry = index.select(wanted).map_err(registry::refused)?;
                fetched = repository
                    .manifest(&Version::Digest(entry.digest.clone()))
                    .await
                    .map_err(registry::halt)?;
            }
        }
    }
    Err(Failure::permanent("manifest.nested", "The image's indexes are nested too deep.").into())
}
