//! Getting code from real git servers, and from those that mean no good.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use build::git::{GitAuth, GitDoor, GitRef, GitRepo, Pinned, checkout, pin};
use build::{BuildError, Say};
use oci::registry::NetworkPolicy;
use tempfile::TempDir;

mod bounds;
mod daemon;
mod hostile;
mod http;
mod redirects;
mod ssh;
mod submodules;

/// A factory on the user's own machine.
fn door() -> GitDoor {
    GitDoor {
        policy: NetworkPolicy::embedded(),
        git_protocol: true,
        patience: Duration::from_secs(60),
        max_bytes: 64 << 20,
    }
}

fn open(url: impl ToString) -> GitRepo {
    GitRepo { url: url.to_string(), auth: GitAuth::None }
}

fn commit(id: impl ToString) -> Pinned {
    Pinned { commit: id.to_string(), fetch_ref: None }
}

fn branch(name: &str) -> GitRef {
    GitRef::Branch(name.to_owned())
}

/// Everything that was said.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn say(&self) -> Say {
        let lines = Arc::clone(&self.0);
        Arc::new(move |_, line| lines.lock().unwrap().push(line.to_owned()))
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// A checkout.
struct Context {
    dir: TempDir,
    heard: Heard,
}

impl Context {
    /// Path to content, `-> target`, or `dir`; a star after the path of what can be run.
    fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        walk(&self.dir.path().join("context"), "", &mut files);
        files
    }
}

fn walk(dir: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let mut name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let meta = entry.metadata().unwrap();
        let content = if meta.is_symlink() {
            format!("-> {}", entry.path().read_link().unwrap().display())
        } else if meta.is_dir() {
            walk(&entry.path(), &format!("{name}/"), files);
            "dir".to_owned()
        } else {
            if meta.mode() & 0o111 != 0 {
                name.push('*');
            }
            String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned()
        };
        files.insert(name, content);
    }
}

async fn get(
    door: &GitDoor,
    repo: &GitRepo,
    pinned: &Pinned,
    submodules: bool,
) -> Result<Context, BuildError> {
    let context = Context { dir: tempfile::tempdir().unwrap(), heard: Heard::default() };
    let into = context.dir.path().join("context");
    let done = checkout(door, repo, pinned, submodules, &into, &context.heard.say()).await;
    // It leaves all or nothing.
    assert_eq!(done.is_ok(), into.exists());
    done.map(|()| context)
}

/// Both steps.
async fn whole(door: &GitDoor, repo: &GitRepo, wanted: &GitRef) -> Result<Context, BuildError> {
    let pinned = pin(door, repo, wanted).await?;
    get(door, repo, &pinned, false).await
}

fn refused<T>(result: Result<T, BuildError>, code: &str) -> BuildError {
    let error = result.err().expect("it is refused");
    assert_eq!(error.code(), code, "{error}");
    error
}
