//! Getting the build context: out of an upload, from a server, or from a repository.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use ::build::context::{Caps, place, unpack};
use ::build::git::{GitDoor, Pinned, checkout};
use ::build::job::JobDir;
use chassis::{Context, Halt, Job};
use futures::TryStreamExt;
use model::Failure;
use model::pin::ContextPin;
use model::source::DockerFile;
use oci::registry::{Client, RegistryError};
use store::{Store, UploadId};
use tokio_util::io::{StreamReader, SyncIoBridge};
use url::Url;

use super::{halt, say};
use crate::flat::thread_ended;

/// Fetches it and puts it in place; answers where the Dockerfile is in it.
pub(super) async fn prepare(
    cx: &Context,
    job: &Job,
    client: &Client,
    store: &Store,
    wanted: &DockerFile,
    context: &ContextPin,
    dir: &JobDir,
) -> Result<PathBuf, Halt> {
    let into = dir.work("source");
    let caps = Caps { bytes: cx.config.max_bytes, entries: cx.config.max_entries };
    match context {
        ContextPin::Upload { .. } => {
            let path = store.upload_path(UploadId::of(job.claim.image.to_bytes())).await;
            let gone = |_| {
                let told = "The build context is not there any more; upload it again.";
                Failure::permanent("upload.missing", told)
            };
            let file = File::open(path.map_err(gone)?).map_err(|e| {
                Failure::transient("factory.disk", format!("The upload cannot be read: {e}."))
            })?;
            unpacked(file, into.clone(), caps).await?;
        }
        ContextPin::Targz { url } => {
            let url: Url = url.parse().map_err(|e| {
                Failure::permanent("context.url", format!("The archive's address is none: {e}."))
            })?;
            job.log.say(format!("Fetching {}.", shown(&url)));
            let stream = client.fetch(&url).await.map_err(|e| fetch_failed(&e))?;
            let stream = StreamReader::new(stream.map_err(std::io::Error::other));
            unpacked(SyncIoBridge::new(stream), into.clone(), caps).await?;
        }
        ContextPin::Git { url, commit, reference } => {
            let repo = wanted.repo.as_ref().ok_or_else(|| {
                Failure::permanent("source.empty", "The source has no repository any more.")
            })?;
            job.log.say(format!("Fetching commit {commit} of {url}."));
            let pinned = Pinned { commit: commit.clone(), fetch_ref: reference.clone() };
            let door = door(cx, caps.bytes);
            checkout(&door, &repo.into(), &pinned, repo.submodules, &into, &say(job)).await.map_err(halt)?;
        }
    }
    let (sub, file) = (wanted.context_dir.as_deref(), wanted.build_file.as_deref());
    // It renames a directory and looks at a file.
    tokio::task::block_in_place(|| place(&into, sub, file, dir)).map_err(halt)
}

/// What git may do.
fn door(cx: &Context, max_bytes: u64) -> GitDoor {
    GitDoor {
        policy: cx.registry.policy().clone(),
        git_protocol: cx.config.git_protocol(),
        patience: Duration::from_secs(cx.config.build.build_time.max(1)),
        max_bytes,
    }
}

async fn unpacked(from: impl Read + Send + 'static, into: PathBuf, caps: Caps) -> Result<(), Halt> {
    let done = tokio::task::spawn_blocking(move || unpack(from, &into, caps)).await;
    done.map_err(|_| thread_ended())?.map_err(halt)
}

/// An address without what may be a signature.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

fn fetch_failed(error: &RegistryError) -> Halt {
    let code = match error {
        RegistryError::NotFound { .. } => "context.not_found",
        RegistryError::Denied { .. } => "context.denied",
        error if error.code() == "ssrf.blocked" => "ssrf.blocked",
        _ => "context.unreachable",
    };
    let told = format!("The build context cannot be fetched: {error}");
    Halt::failed(Failure::new(code, told, !error.is_permanent()), error)
}
