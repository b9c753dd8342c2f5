//! `image.created` (and an import asked for later): ask the registry what the target is just now, and pin it.

use std::collections::BTreeSet;

use build::git::{self, GitDoor, GitRef};
use chassis::job::OpenSource;
use chassis::stage::Worker;
use chassis::{Context, Halt, Job, registry};
use db::import::Claim;
use model::Failure;
use model::log::Stage;
use model::pin::{ContextPin, Pin, PinnedPlatform};
use model::source::{DockerFile, Origin, Repo};
use oci::digest::Digest;
use oci::manifest::{Platform, Platforms};
use oci::reference::Target;
use oci::registry::{Client, RegistryImage};

/// Pins targets.
pub(crate) struct Pinner {
    client: Client,
}

impl Pinner {
    pub(crate) fn new(cx: &Context) -> Self {
        Self { client: cx.registry.clone() }
    }
}

impl Worker for Pinner {
    const STAGE: Stage = Stage::Resolver;

    async fn claim(&self, cx: &Context, _: bool) -> db::Result<Option<Claim>> {
        cx.db.claim_to_pin(&cx.instance).await
    }

    async fn work(&self, cx: &Context, job: &Job) -> Result<(), Halt> {
        let source = job.source(cx).await?;
        if let Origin::DockerFile(wanted) = &source.origin {
            let context = context(cx, job, wanted).await?;
            let end = job.log.flush().await;
            // What a build takes nobody knows beforehand.
            cx.db.pinned(&job.claim, &Pin::Build { context }, i64::MAX as u64, end).await?;
            return Ok(());
        }
        let (pin, weight) = match (&job.claim.upload, source.origin.target()) {
            (Some((digest, size)), None) => {
                job.log.say(format!("The archive has {size} bytes, {digest}."));
                (Pin::Upload { digest: digest.clone(), size: *size }, *size)
            }
            (_, Some(target)) => {
                let target = registry::target(&source.origin, target)
                    .map_err(|e| Failure::permanent(e.code(), e.to_string()))?
                    .ok_or_else(nothing)?;
                self.pin(job, &source, &target).await?
            }
            (None, None) => return Err(nothing().into()),
        };
        let end = job.log.flush().await;
        cx.db.pinned(&job.claim, &pin, weight, end).await?;
        Ok(())
    }
}

fn nothing() -> Failure {
    Failure::permanent("source.empty", "The source has nothing to import.")
}

/// What is built.
async fn context(cx: &Context, job: &Job, wanted: &DockerFile) -> Result<ContextPin, Halt> {
    match (&wanted.repo, &wanted.targz_url, &job.claim.upload) {
        (Some(repo), _, _) => commit(cx, job, repo).await,
        (None, Some(url), _) => Ok(ContextPin::Targz { url: url.clone() }),
        (None, None, Some((digest, size))) => {
            job.log.say(format!("The build context has {size} bytes, {digest}."));
            Ok(ContextPin::Upload { digest: digest.clone(), size: *size })
        }
        (None, None, None) => Err(nothing().into()),
    }
}

/// The commit that a branch or tag stands for just now.
async fn commit(cx: &Context, job: &Job, repo: &Repo) -> Result<ContextPin, Halt> {
    let door = GitDoor {
        policy: cx.registry.policy().clone(),
        git_protocol: cx.config.git_protocol(),
        patience: std::time::Duration::from_secs(60),
        max_bytes: cx.config.max_bytes,
    };
    let wanted = GitRef::from(repo);
    let pinned = git::pin(&door, &repo.into(), &wanted).await;
    let pinned = pinned.map_err(|e| Failure::new(e.code(), e.to_string(), !e.is_permanent()))?;
    let of = match &pinned.fetch_ref {
        Some(name) => format!("{name} of {}", repo.url),
        None => repo.url.clone(),
    };
    job.log.say(format!("Pinned to commit {}, {of}.", pinned.commit));
    Ok(ContextPin::Git { url: repo.url.clone(), commit: pinned.commit, reference: pinned.fetch_ref })
}

impl Pinner {
    /// What is imported, and the compressed bytes of all its layers.
    async fn pin(&self, job: &Job, source: &OpenSource, target: &Target) -> Result<(Pin, u64), Halt> {
        let wanted = registry::platforms(source.flat.platform.as_deref())
            .map_err(|e| Failure::permanent(e.code(), e.to_string()))?;
        job.log.say(format!("Asking for {target}."));
        let repository = self.client.repository(target, registry::credentials(&source.origin));
        let images = repository.images(target.wanted(), &wanted).await.map_err(registry::halt)?;
        let Some((first, more)) = images.split_first() else { return Err(nothing().into()) };
        let skipped: BTreeSet<String> =
            images.iter().flat_map(|i| &i.skipped).map(Digest::to_string).collect();
        for skipped in skipped {
            job.log.say(format!("Passed over {skipped}, which only tells about images."));
        }
        let named: Vec<String> = images.iter().map(|image| runs_on(image, &wanted)).collect();
        job.log.say(format!("Pinned to {} for {}.", first.resolved, named.join(", ")));
        let layers = images.iter().flat_map(|image| &image.manifest.layers);
        let weight = layers.map(|layer| layer.size).fold(0, u64::saturating_add);
        let pin = Pin::Registry {
            target: target.to_string(),
            digest: first.resolved.to_string(),
            manifest: first.manifest.digest.to_string(),
            platform: runs_on(first, &wanted),
            more: more
                .iter()
                .map(|image| PinnedPlatform {
                    manifest: image.manifest.digest.to_string(),
                    platform: runs_on(image, &wanted),
                })
                .collect(),
        };
        Ok((pin, weight))
    }
}

/// What an image runs on; where nothing says so, what was asked for.
fn runs_on(image: &RegistryImage, wanted: &Platforms) -> String {
    match wanted {
        Platforms::These(these) if image.platform.is_unknown() => {
            these.first().map_or_else(|| Platform::host().to_string(), Platform::to_string)
        }
        _ if image.platform.is_unknown() => Platform::host().to_string(),
        _ => image.platform.to_string(),
    }
}
