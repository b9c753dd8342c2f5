//! Building: from the pinned context to images whose layers have arrived.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::build::buildah::{Buildah, Place};
use ::build::builder::Allowed;
use ::build::job::{JobDir, Storage};
use ::build::receive::BuiltImage;
use ::build::{BuildError, BuildRequest, Builder, Limits, Network, ParentLogin, Say};
use chassis::config::BuildConfig;
use chassis::job::OpenSource;
use chassis::{Context, Halt, Job};
use model::Failure;
use model::pin::ContextPin;
use model::source::{BuildNetwork, DockerFile, Origin};
use oci::manifest::Platform;
use oci::registry::Client;
use oci::source::Image;
use store::Store;

use crate::flat::{Arrivals, thread_ended};

mod context;

/// A build's error, as it ends an attempt.
pub(crate) fn halt(error: BuildError) -> Halt {
    Failure::new(error.code(), error.to_string(), !error.is_permanent()).into()
}

/// Builds; the layers are with `arrivals` when this ends.
pub(crate) async fn build(
    cx: &Context,
    job: &Job,
    client: &Client,
    store: &Store,
    source: &OpenSource,
    context: &ContextPin,
    arrivals: &Arc<Arrivals>,
) -> Result<Vec<Image>, Halt> {
    let Origin::DockerFile(wanted) = &source.origin else {
        return Err(Failure::permanent("source.empty", "The source has no Dockerfile any more.").into());
    };
    cx.db.begins(&job.claim, "factory").await?;
    let builds = cx.config.data_dir.join("builds");
    let dir = JobDir::make(&builds, &format!("{}-{}", job.claim.image, job.claim.attempt)).map_err(halt)?;
    // Whoever tidies it has it alone for a while.
    let hub = job.claim.hub.clone();
    let storage = tokio::task::spawn_blocking(move || Storage::of(&builds, hub.as_str())).await;
    let storage = storage.map_err(|_| thread_ended())?.map_err(halt)?;
    let file = context::prepare(cx, job, client, store, wanted, context, &dir).await?;
    let request = request(cx, job, wanted, &dir, file)?;
    let place = Place { job: &dir, storage: &storage, scope: job.claim.source.as_str() };
    let builder = chosen(cx, job, client, source).await?;
    let built = builder.build(&request, &place, arrivals, &say(job)).await;
    let built = built.map_err(|error| arrivals.halt().unwrap_or_else(|| halt(error)))?;
    // Removing much takes a moment, and nobody need wait for it.
    tokio::task::spawn_blocking(move || drop(dir));
    Ok(images(built, &request))
}

/// What builders and git say goes into the log.
fn say(job: &Job) -> Say {
    let log = job.log.clone();
    Arc::new(move |stream, line| log.line(stream, line))
}

/// The builder that the image or its source chooses; this machine's when neither does.
async fn chosen(cx: &Context, job: &Job, client: &Client, source: &OpenSource) -> Result<Builder, Halt> {
    let own = buildah(cx, client);
    let Some(name) = source.builder.as_ref().and_then(|choice| choice.integration_id.as_deref()) else {
        return Ok(Builder::Buildah(own));
    };
    let gone = || {
        let told = format!("The hub has no integration `{name}` any more.");
        Failure::permanent("builder.missing", told)
    };
    let hub = &job.claim.hub;
    let (integration, sealed) = cx.db.integration(hub, name).await?.ok_or_else(gone)?;
    let builder = cx.sealer.open_builder(hub, &integration, &sealed).map_err(|error| Halt::Failed {
        failure: Failure::permanent(
            "builder.secret",
            "The builder's credentials cannot be opened; enter them again.",
        ),
        chain: format!("{error:#}"),
    })?;
    job.log.say(format!("Building with {}.", integration.name));
    let allowed = Allowed { policy: cx.registry.policy(), endpoints: &cx.config.build.allow_builder };
    Builder::of(&builder, own, allowed).await.map_err(halt)
}

fn buildah(cx: &Context, client: &Client) -> Buildah {
    let config = &cx.config.build;
    Buildah {
        client: client.clone(),
        allowed: cx.config.allow_network.iter().filter_map(|text| text.trim().parse().ok()).collect(),
        mirrors: config.registry_mirror.iter().filter_map(|text| text.parse().ok()).collect(),
        cache: config.build_cache,
    }
}

fn request(
    cx: &Context,
    job: &Job,
    wanted: &DockerFile,
    dir: &JobDir,
    build_file: PathBuf,
) -> Result<BuildRequest, Halt> {
    let secrets = job.build_secrets(cx)?;
    let platforms = if wanted.platforms.is_empty() {
        vec![Platform::host().to_string()]
    } else {
        wanted.platforms.clone()
    };
    let logins = wanted.credentials.iter().filter_map(|one| {
        let (scheme, host) = one.host();
        Some(ParentLogin {
            scheme: scheme.map(str::to_owned),
            host: host.to_owned(),
            username: one.username.clone(),
            password: one.token.as_ref()?.expose().to_owned().into(),
        })
    });
    Ok(BuildRequest {
        context: dir.context(),
        build_file,
        target: wanted.target_stage.clone(),
        args: job.claim.build.args.clone(),
        secrets: secrets.into_iter().map(|(id, secret)| (id, secret.expose().to_owned().into())).collect(),
        platforms,
        logins: logins.collect(),
        network: match wanted.network {
            BuildNetwork::Public => Network::Public,
            BuildNetwork::None => Network::None,
        },
        use_disk: job.claim.build.use_disk,
        limits: limits(&cx.config.build),
    })
}

fn limits(config: &BuildConfig) -> Limits {
    Limits {
        time: Duration::from_secs(config.build_time.max(1)),
        memory: config.build_memory,
        processes: config.build_processes,
        disk: config.build_disk,
        log: config.build_log,
        line: config.build_log_line,
    }
}

/// The images as they are flattened, for the platforms that were asked for: a config may know less.
fn images(built: Vec<BuiltImage>, request: &BuildRequest) -> Vec<Image> {
    let with = |(built, platform): (BuiltImage, &String)| {
        let mut image = Image::handed_over(&built.manifest, built.config);
        if let Ok(platform) = platform.parse() {
            image.platform = platform;
        }
        image
    };
    built.into_iter().zip(&request.platforms).map(with).collect()
}
