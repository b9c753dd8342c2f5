//! From a branch or a tag to a commit.

use super::fail::{Failure, missing};
use super::reference::{self, check_ref};
use super::session::Session;
use super::{GitDoor, GitRef, GitRepo, Pinned, check_url};
use crate::BuildError;

/// Finds the commit that is wanted. A commit that is named is taken as it is: [`super::checkout`] proves that it is there.
///
/// # Errors
/// Permanent: `git.url`, `git.ref`, `git.ref_missing`, `git.not_found`, `git.unauthorized`, `git.key`, `git.host_key`,
/// `git.tls`, `ssrf.blocked`. Transient: `git.unreachable`, `git.disk`, `git.program`, `git.failed`.
pub async fn pin(door: &GitDoor, repo: &GitRepo, wanted: &GitRef) -> Result<Pinned, BuildError> {
    let url = check_url(&repo.url, door)?;
    check_ref(wanted)?;
    let (name, sentence) = match wanted {
        GitRef::Commit(id) => return Ok(Pinned { commit: reference::commit(id)?, fetch_ref: None }),
        GitRef::Default => ("HEAD".to_owned(), "The repository has no default branch."),
        GitRef::Branch(branch) => (format!("refs/heads/{branch}"), "The repository has no such branch."),
        GitRef::Tag(tag) => (format!("refs/tags/{tag}"), "The repository has no such tag."),
    };
    let session = Session::open(door, &url, &url, &repo.auth, None, None).await?;
    let peeled = format!("{name}^{{}}");
    let listed = session
        .git(&["ls-remote", "--quiet", "--symref", "--", &session.remote, &name, &peeled])
        .await
        .map_err(Failure::error)?;
    // A pattern of git's also finds what only ends in it.
    let find =
        |wanted: &str| listed.lines().find_map(|line| line.split_once('\t').filter(|(_, n)| *n == wanted));
    let at = |wanted: &str| {
        let ids = listed.lines().filter_map(|line| line.split_once('\t'));
        ids.filter(|(_, name)| *name == wanted).find_map(|(id, _)| reference::commit(id).ok())
    };
    let commit = at(&peeled).or_else(|| at(&name)).ok_or_else(|| missing(sentence))?;
    let branch = find("HEAD").and_then(|(target, _)| target.strip_prefix("ref: "));
    let fetch_ref = match wanted {
        GitRef::Default => branch.filter(|name| reference::is_name(name)).map(str::to_owned),
        _ => Some(name),
    };
    Ok(Pinned { commit, fetch_ref })
}
