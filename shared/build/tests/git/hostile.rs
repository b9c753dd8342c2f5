//! `hostile-inputs` 117: repositories that want to run or read what is not theirs.

use std::fs;
use std::path::PathBuf;

use build::BuildError;
use tempfile::TempDir;
use testkit::Standin;
use testkit::git::{Repos, Tree};

use crate::{Context, commit, door, get, open, refused};

/// What must not come to be, and what must not be read.
struct Canary {
    dir: TempDir,
    repos: Repos,
    server: Standin,
}

impl Canary {
    fn new() -> Self {
        let repos = Repos::new();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("host"), "of the host").unwrap();
        Self { dir, server: repos.http(), repos }
    }

    fn dead(&self) -> PathBuf {
        self.dir.path().join("dead")
    }

    fn script(&self) -> String {
        format!("#!/bin/sh\ntouch '{}'\n", self.dead().display())
    }

    async fn get(&self, id: &str) -> Result<Context, BuildError> {
        let repo = open(format!("http://{}/app.git", self.server.host()));
        let got = get(&door(), &repo, &commit(id), true).await;
        assert!(!self.dead().exists(), "code of the repository was run");
        assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), 1, "something was written outside");
        if let Ok(context) = &got {
            let files = context.files();
            assert!(!files.values().any(|content| content == "of the host"), "a file of the host was read");
            assert!(!files.keys().any(|name| name.split('/').any(|part| part == ".git")), "a .git is left");
            assert_eq!(
                fs::read_dir(context.dir.path()).unwrap().count(),
                1,
                "something was written beside it"
            );
        }
        got
    }

    fn commit(&self, tree: &Tree) -> String {
        self.repos.commit("app.git", "main", tree)
    }
}

#[tokio::test]
async fn a_git_directory_in_the_repository() {
    let canary = Canary::new();
    for tree in [
        Tree::new().program(".git/hooks/post-checkout", canary.script()).file("a", ""),
        Tree::new().program(".GIT/hooks/post-checkout", canary.script()).file("a", ""),
        Tree::new().program("git~1/hooks/post-checkout", canary.script()).file("a", ""),
        Tree::new().program(".g\u{200c}it/hooks/post-checkout", canary.script()).file("a", ""),
        Tree::new().file(".git", "gitdir: /tmp/elsewhere\n"),
        Tree::new().symlink(".git", "dir").program("dir/hooks/post-checkout", canary.script()),
        Tree::new().symlink(".git", &canary.dir.path().display().to_string()),
        Tree::new().file("sub/.git/config", "[core]\n\tfsmonitor = false\n"),
    ] {
        refused(canary.get(&canary.commit(&tree)).await, "git.invalid");
    }
}

#[tokio::test]
async fn paths_that_lead_out() {
    let canary = Canary::new();
    let out = canary.dir.path().display().to_string();
    for tree in [
        Tree::new().file("../dead", ""),
        Tree::new().file("a/../../dead", ""),
        Tree::new().file("./dead", ""),
        Tree::new().symlink("out", &out).file("out/dead", ""),
    ] {
        refused(canary.get(&canary.commit(&tree)).await, "git.invalid");
    }
    let link = Tree::new().symlink("out", &out).file("a", "");
    assert_eq!(canary.get(&canary.commit(&link)).await.unwrap().files()["out"], format!("-> {out}"));
}

#[tokio::test]
async fn filters_and_drivers_are_names_only() {
    let canary = Canary::new();
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    let tree = Tree::new()
        .file(".gitattributes", "* filter=evil diff=evil merge=evil\n*.bin filter=lfs\n")
        .file(".gitconfig", format!("[filter \"evil\"]\n\tsmudge = touch {}\n", canary.dead().display()))
        .file(".lfsconfig", "[lfs]\n\turl = http://169.254.169.254/\n")
        .file("big.bin", lfs)
        .file("a", "1");
    let files = canary.get(&canary.commit(&tree)).await.unwrap().files();
    assert_eq!((files["a"].as_str(), files["big.bin"].as_str()), ("1", lfs));
}

#[tokio::test]
async fn alternates_of_the_server_are_its_own() {
    let canary = Canary::new();
    // Only a server on the same machine could point there; nothing of it crosses the wire.
    let id = canary.commit(&Tree::new().file("a", "1"));
    let info = canary.repos.path("app.git/objects/info");
    fs::create_dir_all(&info).unwrap();
    fs::write(info.join("alternates"), "/etc\n").unwrap();
    fs::write(info.join("http-alternates"), "http://169.254.169.254/\n").unwrap();
    assert_eq!(canary.get(&id).await.unwrap().files()["a"], "1");
}

fn modules(name: &str, path: &str, url: &str) -> String {
    format!("[submodule \"{name}\"]\n\tpath = \"{path}\"\n\turl = \"{url}\"\n")
}

/// CVE-2024-32002: a submodule below a directory that a symlink of another case leads into `.git`.
#[tokio::test]
async fn a_submodule_behind_a_symlink() {
    let canary = Canary::new();
    let hook = canary.repos.commit(
        "hook.git",
        "main",
        &Tree::new().program("y/hooks/post-checkout", canary.script()),
    );
    for link in [".git", "../..", "a"] {
        let tree = Tree::new()
            .file(".gitmodules", modules("x/y", "A/modules/x", "../hook.git"))
            .submodule("A/modules/x", &hook)
            .symlink("a", link);
        let done = canary.get(&canary.commit(&tree)).await;
        // Where names differ by their case it is what it says; that it lies where it should is all.
        done.map(|context| assert!(context.files().contains_key("A/modules/x/y/hooks/post-checkout*")))
            .unwrap_or_else(|error| assert!(error.is_permanent()));
        let same = Tree::new()
            .file(".gitmodules", modules("x/y", "a/x", "../hook.git"))
            .submodule("a/x", &hook)
            .symlink("a", link);
        assert!(canary.get(&canary.commit(&same)).await.err().unwrap().is_permanent());
    }
}

/// CVE-2025-48384: a path that ends in a carriage return, which is lost when it is written into a configuration.
#[tokio::test]
async fn a_submodule_with_a_carriage_return() {
    let canary = Canary::new();
    let hook =
        canary.repos.commit("hook.git", "main", &Tree::new().program("post-checkout", canary.script()));
    let tree = Tree::new()
        .file(".gitmodules", modules("x", "sub\r", "../hook.git"))
        .submodule("sub\r", &hook)
        .symlink("sub", ".git/modules/x/hooks");
    if let Err(error) = canary.get(&canary.commit(&tree)).await {
        assert!(error.is_permanent(), "{error}");
    }
}

#[tokio::test]
async fn names_and_paths_of_submodules() {
    let canary = Canary::new();
    let hook =
        canary.repos.commit("hook.git", "main", &Tree::new().program("hooks/post-checkout", canary.script()));
    for (name, path, url) in [
        ("../../hooks", "sub", "../hook.git"),
        ("x", "../sub", "../hook.git"),
        ("x", "-sub", "../hook.git"),
        ("x", "/tmp/sub", "../hook.git"),
        ("x", ".git/hooks", "../hook.git"),
        ("x", "sub", "-u./payload"),
        ("x", "sub", "--upload-pack=touch dead"),
        ("x", "sub", "ext::sh -c 'touch dead'"),
        ("x", "sub", "http://user:pass@127.0.0.1/a"),
        ("x", "sub", "ssh://-oProxyCommand=touch/a"),
    ] {
        let tree = Tree::new().file(".gitmodules", modules(name, path, url)).submodule("sub", &hook);
        match canary.get(&canary.commit(&tree)).await {
            Err(error) => assert!(error.is_permanent(), "{error}"),
            Ok(context) => panic!("{name} {path} {url}: {:?}", context.files()),
        }
    }
    let evil =
        format!("{}\tupdate = !touch {}\n", modules("x", "sub", "../hook.git"), canary.dead().display());
    let tree = Tree::new().file(".gitmodules", evil).submodule("sub", &hook);
    let _ = canary.get(&canary.commit(&tree)).await;
    let included = format!("[include]\n\tpath = {}/host\n", canary.dir.path().display());
    let tree = Tree::new().file(".gitmodules", included).submodule("sub", &hook);
    refused(canary.get(&canary.commit(&tree)).await, "git.submodule");
    let linked = Tree::new().symlink(".gitmodules", &format!("{}/host", canary.dir.path().display()));
    assert!(canary.get(&canary.commit(&linked.submodule("sub", &hook))).await.err().unwrap().is_permanent());
}
