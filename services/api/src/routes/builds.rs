//! What sources and images say about builds: checked here, so that a mistake is told at once.

use std::time::Duration;

use build::git::{self, GitDoor};
use chassis::registry;
use chassis::seal::Place;
use db::source::Sealed;
use model::ImageId;
use model::access::Principal;
use model::api::{BuildOptions, BuilderChoice, CreateBuild};
use model::source::{DockerFile, Origin};

use crate::App;
use crate::answer::Refusal;

/// The most build arguments, and secrets, of one image.
const MOST: usize = 200;

/// Bytes that an argument's value may have.
const MOST_BYTES: usize = 64 << 10;

/// Bytes that a secret may have, as BuildKit has it: a bundle of certificates is one.
const MOST_SECRET: usize = 500 << 10;

fn details(field: &str, told: impl Into<String>) -> Refusal {
    Refusal::invalid(&format!("origin.details.{field}"), told.into())
}

/// Can images of this source be built?
pub(super) fn check_source(app: &App, wanted: &DockerFile) -> Result<(), Refusal> {
    if let Some(repo) = &wanted.repo {
        let door = GitDoor {
            policy: app.cx.registry.policy().clone(),
            git_protocol: app.cx.config.git_protocol(),
            patience: Duration::ZERO,
            max_bytes: 0,
        };
        git::check_url(&repo.url, &door).map_err(|e| details("repo.url", e.to_string()))?;
        git::check_ref(&repo.into()).map_err(|e| details("repo.ref", e.to_string()))?;
    }
    if wanted.repo.is_some() && wanted.targz_url.is_some() {
        return Err(details("targz_url", "A source has a repository or an archive's address, not both."));
    }
    if let Some(url) = &wanted.targz_url {
        check_url(url).map_err(|told| details("targz_url", told))?;
    }
    for (field, text) in [
        ("context_dir", &wanted.context_dir),
        ("build_file", &wanted.build_file),
        ("target_stage", &wanted.target_stage),
    ] {
        let Some(text) = text else { continue };
        if text.is_empty() || text.len() > 4096 || text.chars().any(char::is_control) || text.starts_with('-')
        {
            let told = "It has 1 to 4096 bytes, no control characters, and does not begin with a dash.";
            return Err(details(field, told));
        }
        if field != "target_stage" && std::path::Path::new(text).components().any(|c| c.as_os_str() == "..") {
            return Err(details(field, "It leads out of the source."));
        }
    }
    for platform in &wanted.platforms {
        registry::platforms(Some(platform)).map_err(|e| details("platforms", e.to_string()))?;
        if platform == "all" || platform.contains(',') {
            return Err(details("platforms", "Name each platform by itself: `linux/amd64`, `linux/arm64`."));
        }
    }
    for one in &wanted.credentials {
        let (scheme, host) = one.host();
        let wrong = host.is_empty()
            || host.contains(['@', ' ', '"', '\\'])
            || scheme.is_some_and(|scheme| !matches!(scheme, "http" | "https"));
        if wrong {
            return Err(details("credentials", "A registry is `https://registry.example`, or a host alone."));
        }
    }
    Ok(())
}

fn check_url(url: &str) -> Result<(), &'static str> {
    let rule = "An archive's address begins with https:// or http:// and a host, and carries no credentials.";
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or(rule)?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let bad = host.is_empty() || host.contains('@') || url.chars().any(|c| c.is_control() || c == ' ');
    if bad || url.len() > 4096 { Err(rule) } else { Ok(()) }
}

/// Can this archive be built instead?
pub(super) fn check_targz(origin: &Origin, url: &str) -> Result<(), Refusal> {
    if !matches!(origin, Origin::DockerFile(_)) {
        let told = format!("A source of origin `{}` builds nothing.", origin.kind());
        return Err(Refusal::invalid("override.targz_url", told));
    }
    check_url(url).map_err(|told| Refusal::invalid("override.targz_url", told))
}

/// Are these arguments and secrets that a build can have?
pub(super) fn check_build(origin: &Origin, build: Option<&CreateBuild>) -> Result<(), Refusal> {
    if !matches!(origin, Origin::DockerFile(_)) {
        let told = format!("A source of origin `{}` builds nothing.", origin.kind());
        return Err(Refusal::invalid("build", told));
    }
    let Some(build) = build else { return Ok(()) };
    if build.args.len() > MOST || build.secrets.len() > MOST {
        return Err(Refusal::invalid(
            "build",
            format!("An image has {MOST} build arguments and secrets at most."),
        ));
    }
    for (name, value) in &build.args {
        let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !named || value.len() > MOST_BYTES || value.contains('\0') {
            let told = "The name of a build argument has letters, digits and `_`; its value 64 KiB at most.";
            return Err(Refusal::invalid("build.args", told));
        }
    }
    for (id, secret) in &build.secrets {
        let named = !id.is_empty()
            && id.len() <= 100
            && id.starts_with(|c: char| c.is_ascii_alphanumeric())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if !named || secret.expose().len() > MOST_SECRET {
            let told = "The id of a secret has letters, digits, `_`, `-` and `.`; a secret 500 KiB at most.";
            return Err(Refusal::invalid("build.secrets", told));
        }
    }
    Ok(())
}

/// Has the hub the integration that is chosen?
pub(super) async fn check_builder(
    app: &App,
    who: &Principal,
    origin: &Origin,
    builder: Option<&BuilderChoice>,
) -> Result<(), Refusal> {
    let Some(builder) = builder else { return Ok(()) };
    check_build(origin, None)?;
    match &builder.integration_id {
        Some(name) => super::integrations::find(app, who, name).await.map(drop),
        None => Ok(()),
    }
}

/// What is kept of it, with its secrets sealed; nothing where nothing is built.
pub(super) fn options(
    app: &App,
    who: &Principal,
    image: &ImageId,
    origin: &Origin,
    build: Option<CreateBuild>,
    builder: Option<BuilderChoice>,
) -> Result<Option<(BuildOptions, Sealed)>, Refusal> {
    if !matches!(origin, Origin::DockerFile(_)) {
        return Ok(None);
    }
    let CreateBuild { args, use_disk, secrets } = build.unwrap_or_default();
    let mut sealed = Sealed::new();
    for (id, secret) in secrets {
        let field = format!("build.{id}");
        let place = Place { hub: who.hub.as_str(), owner: image.as_str(), field: &field };
        sealed.insert(id, app.cx.sealer.seal(place, &secret)?);
    }
    Ok(Some((BuildOptions { args, use_disk, builder }, sealed)))
}
