//! Git repositories, honest and not, and what serves them: `git http-backend`, `git daemon`, `sshd`.
//!
//! ```no_run
//! # use testkit::git::{Repos, Tree};
//! let repos = Repos::new();
//! let commit = repos.commit("app.git", "main", &Tree::new().file("Dockerfile", "FROM scratch\n"));
//! let server = repos.http();
//! println!("http://{}/app.git is at {commit}", server.host());
//! ```

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use embedded::Program;
use tempfile::TempDir;

use crate::tools;

mod http;
mod servers;

pub use http::Backend;
pub use servers::{Daemon, Key, Sshd};

/// A directory of bare repositories.
#[derive(Debug)]
pub struct Repos {
    dir: TempDir,
}

impl Default for Repos {
    fn default() -> Self {
        Self::new()
    }
}

impl Repos {
    /// None yet.
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory") }
    }

    /// Where they are.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// The directory of one.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes one whose ids are SHA-256.
    pub fn sha256(&self, name: &str) {
        let init = ["init", "--quiet", "--bare", "--initial-branch=main", "--object-format=sha256"];
        tools::run(command().args(init).arg(self.path(name)));
    }

    /// Runs git in a repository, which is made if there is none; what it prints.
    pub fn git(&self, name: &str, args: &[&str]) -> String {
        self.pipe(name, args, b"")
    }

    fn pipe(&self, name: &str, args: &[&str], input: &[u8]) -> String {
        let path = self.path(name);
        if !path.exists() {
            tools::run(command().args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(&path));
        }
        let mut command = command();
        command.arg("--git-dir").arg(path).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("git starts");
        child.stdin.take().expect("a pipe").write_all(input).expect("git reads");
        let output = child.wait_with_output().expect("git ends");
        assert!(output.status.success(), "{command:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Adds a commit to a branch; its id.
    pub fn commit(&self, name: &str, branch: &str, tree: &Tree) -> String {
        let tree = self.tree(name, &tree.0);
        let at = format!("refs/heads/{branch}");
        let parent = self.git(name, &["for-each-ref", "--format=%(objectname)", &at]);
        let mut args = vec!["commit-tree", "-m", "a commit", &tree];
        if !parent.is_empty() {
            args.extend(["-p", &parent]);
        }
        let commit = self.git(name, &args);
        self.git(name, &["update-ref", &at, &commit]);
        commit
    }

    /// Puts an annotated tag on a commit; the id of the tag itself.
    pub fn tag(&self, name: &str, tag: &str, commit: &str) -> String {
        self.git(name, &["tag", "-a", "-m", "a tag", tag, commit]);
        self.git(name, &["rev-parse", &format!("refs/tags/{tag}")])
    }

    fn tree(&self, name: &str, entries: &[(String, Entry)]) -> String {
        let mut below: BTreeMap<&str, Vec<(String, Entry)>> = BTreeMap::new();
        let mut lines = Vec::new();
        for (path, entry) in entries {
            if let Some((dir, rest)) = path.split_once('/') {
                below.entry(dir).or_default().push((rest.to_owned(), entry.clone()));
                continue;
            }
            let (mode, kind, id) = match entry {
                Entry::Blob(mode, bytes) => {
                    (*mode, "blob", self.pipe(name, &["hash-object", "-w", "--stdin"], bytes))
                }
                Entry::Commit(id) => ("160000", "commit", id.clone()),
                Entry::Tree(id) => ("040000", "tree", id.clone()),
            };
            lines.push(format!("{mode} {kind} {id}\t{path}\0"));
        }
        for (dir, entries) in below {
            lines.push(format!("040000 tree {}\t{dir}\0", self.tree(name, &entries)));
        }
        self.pipe(name, &["mktree", "-z", "--missing"], lines.concat().as_bytes())
    }

    /// The id of a tree, to be named by others.
    pub fn written(&self, name: &str, tree: &Tree) -> String {
        self.tree(name, &tree.0)
    }
}

#[derive(Debug, Clone)]
enum Entry {
    Blob(&'static str, Vec<u8>),
    Commit(String),
    Tree(String),
}

/// The files of a commit. Nothing is checked: two entries may have the same name, and any name is one.
#[derive(Debug, Clone, Default)]
pub struct Tree(Vec<(String, Entry)>);

impl Tree {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.with(path, Entry::Blob("100644", bytes.into()))
    }

    /// Adds a file that can be run.
    #[must_use]
    pub fn program(self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.with(path, Entry::Blob("100755", bytes.into()))
    }

    /// Adds a symlink.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.with(path, Entry::Blob("120000", target.into()))
    }

    /// Adds a submodule at a commit; a `.gitmodules` is a file of its own.
    #[must_use]
    pub fn submodule(self, path: &str, commit: &str) -> Self {
        self.with(path, Entry::Commit(commit.to_owned()))
    }

    /// Adds a directory that is there already.
    #[must_use]
    pub fn tree(self, path: &str, id: &str) -> Self {
        self.with(path, Entry::Tree(id.to_owned()))
    }

    fn with(mut self, path: &str, entry: Entry) -> Self {
        self.0.push((path.to_owned(), entry));
        self
    }
}

/// A git that does not care whose machine this is.
fn command() -> Command {
    let mut command = tools::command(Program::Git);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Somebody");
        command.env(format!("GIT_{who}_EMAIL"), "somebody@example.com");
        command.env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
    }
    command
}
