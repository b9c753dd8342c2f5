//! From a commit to its files.

use std::path::{Path, PathBuf};

use super::fail::{Failure, missing};
use super::session::{Place, Session};
use super::url::{RemoteUrl, allowed};
use super::{GitAuth, GitDoor, GitRepo, Pinned, check_url, home, reference, submodule, tree};
use crate::{BuildError, Say};

/// One repository that is still to be had.
struct Job {
    url: RemoteUrl,
    pinned: Pinned,
    files: PathBuf,
    depth: usize,
}

/// Writes the files of a commit into a new directory, and of its submodules if they are wanted. No `.git` is left in it,
/// symlinks are kept as they are, and nothing outside is written. When it fails the directory is gone.
///
/// A submodule is at the commit that its parent names. It gets the credentials only if it lies on the same server.
///
/// # Errors
/// Those of [`super::pin`]; and permanent `git.too_large`, `git.invalid`, `git.submodule`.
pub async fn checkout(
    door: &GitDoor,
    repo: &GitRepo,
    pinned: &Pinned,
    submodules: bool,
    into: &Path,
    say: &Say,
) -> Result<(), BuildError> {
    let named = check_url(&repo.url, door)?;
    let commit = reference::commit(&pinned.commit)?;
    let fetch_ref = pinned.fetch_ref.clone();
    if fetch_ref.as_deref().is_some_and(|name| !name.starts_with("refs/") || !reference::is_name(name)) {
        return Err(BuildError::permanent("git.ref", "The name to fetch is not one that git allows."));
    }
    tokio::fs::create_dir(into).await.map_err(home::disk)?;
    // Git takes paths for relative to its own directory.
    let files = tokio::fs::canonicalize(into).await.map_err(home::disk)?;
    let first = Job { url: named.clone(), pinned: Pinned { commit, fetch_ref }, files, depth: 0 };
    let done = all(door, &named, &repo.auth, first, submodules, say).await;
    if done.is_err() {
        let _ = tokio::fs::remove_dir_all(into).await;
    }
    done
}

async fn all(
    door: &GitDoor,
    named: &RemoteUrl,
    auth: &GitAuth,
    first: Job,
    submodules: bool,
    say: &Say,
) -> Result<(), BuildError> {
    let context = first.files.clone();
    let mut waiting = vec![first];
    let mut count = 0;
    while let Some(job) = waiting.pop() {
        let own = job.url.same_origin(named);
        let auth = if own { auth } else { &GitAuth::None };
        let place = Place { files: &job.files, context: &context };
        let session = Session::open(door, named, &job.url, auth, Some(place), Some(say.clone())).await?;
        let links = one(&session, &job, door.max_bytes).await.map_err(Failure::error)?;
        if !submodules || links.is_empty() {
            continue;
        }
        count += links.len();
        if job.depth >= submodule::DEPTH || count > submodule::COUNT {
            return Err(submodule::refused("is one of too many"));
        }
        let urls = tree::urls(&session, &job.pinned.commit).await.map_err(Failure::error)?;
        for (path, commit) in links {
            let url = urls.get(&path).ok_or_else(|| submodule::refused("has no URL"))?;
            let url = job.url.join(url)?;
            allowed(&url, door, url.host == named.host && url.port == named.port)?;
            let files = submodule::directory(&job.files, &path)?;
            let pinned = Pinned { commit: reference::commit(&commit)?, fetch_ref: None };
            waiting.push(Job { url, pinned, files, depth: job.depth + 1 });
        }
    }
    Ok(())
}

/// One repository. The submodules it names, none of which is followed here.
async fn one(session: &Session, job: &Job, max_bytes: u64) -> Result<tree::Links, Failure> {
    let commit = job.pinned.commit.as_str();
    let format = if commit.len() == 64 { "--object-format=sha256" } else { "--object-format=sha1" };
    session.git(&["init", "--quiet", "--template=", format]).await?;
    fetch(session, &job.pinned).await?;
    let peeled = format!("{commit}^{{commit}}");
    // The id of a tag or of a tree is not the id of a commit.
    if resolve(session, &peeled).await?.as_deref() != Some(commit) {
        return Err(missing("The git server has no such commit.").into());
    }
    let links = tree::links(session, commit, max_bytes).await?;
    session.git(&["checkout", "--quiet", "--force", "--detach", commit, "--"]).await?;
    let head = session.git(&["rev-parse", "--verify", "--quiet", "HEAD"]).await?;
    if head.trim() != commit || job.files.join(".git").symlink_metadata().is_ok() {
        let why = "The files of the repository are not those of the commit.";
        return Err(BuildError::permanent("git.invalid", why).into());
    }
    Ok(links)
}

/// Gets the commit, and of its history only what a server leaves no way around.
async fn fetch(session: &Session, pinned: &Pinned) -> Result<(), Failure> {
    let commit = pinned.commit.as_str();
    match get(session, &["--depth=1"], &[commit]).await {
        Err(Failure::Unadvertised) => {}
        other => return other,
    }
    // An old server names only what its branches and tags are at.
    if let Some(name) = &pinned.fetch_ref {
        match get(session, &["--depth=1"], &[name]).await {
            Ok(()) if resolve(session, &format!("{commit}^{{commit}}")).await?.is_some() => return Ok(()),
            Ok(()) => {}
            // It may have gone since.
            Err(Failure::Told(error)) if error.code() == "git.ref_missing" => {}
            Err(error) => return Err(error),
        }
    }
    let shallow = resolve(session, "FETCH_HEAD").await?.is_some();
    let whole: &[&str] = if shallow { &["--unshallow"] } else { &[] };
    get(session, whole, &["+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*"]).await
}

async fn get(session: &Session, how: &[&str], what: &[&str]) -> Result<(), Failure> {
    let mut args = vec!["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance"];
    args.extend(how);
    args.extend(["--", session.remote.as_str()]);
    args.extend(what);
    session.git(&args).await.map(drop)
}

/// What a name is in the repository that was fetched, if anything.
async fn resolve(session: &Session, name: &str) -> Result<Option<String>, BuildError> {
    let found = session.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", name]).await?;
    Ok(found.map(|id| id.trim().to_owned()))
}
