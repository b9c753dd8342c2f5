//! Repositories in repositories.

use build::git::{GitAuth, GitDoor, GitRepo};
use testkit::git::{Repos, Tree};
use testkit::{Standin, Trap};

use crate::{commit, door, get, open, refused};

/// A `.gitmodules` with one submodule.
fn modules(name: &str, path: &str, url: &str) -> String {
    format!("[submodule \"{name}\"]\n\tpath = {path}\n\turl = {url}\n")
}

fn with(repos: &Repos, path: &str, url: &str, at: &str) -> String {
    let tree = Tree::new().file(".gitmodules", modules("x", path, url)).submodule(path, at).file("a", "1");
    repos.commit("app.git", "main", &tree)
}

#[tokio::test]
async fn they_are_left_out_unless_wanted() {
    let repos = Repos::new();
    let leaf = repos.commit("leaf.git", "main", &Tree::new().file("leaf", "3"));
    let lib = Tree::new().file(".gitmodules", modules("deep", "below/leaf", "../leaf.git")).file("lib", "2");
    let old = repos.commit("lib.git", "main", &lib.clone().submodule("below/leaf", &leaf));
    repos.commit("lib.git", "main", &lib);
    let top = with(&repos, "vendor/lib", "../lib.git", &old);
    let server = repos.http();
    let (door, repo) = (door(), open(format!("http://{}/app.git", server.host())));
    let off = get(&door, &repo, &commit(&top), false).await.unwrap().files();
    assert!(off.contains_key("vendor/lib") && !off.contains_key("vendor/lib/lib"));
    assert_eq!(server.asked("/lib.git"), 0);
    let on = get(&door, &repo, &commit(&top), true).await.unwrap().files();
    let on: Vec<&str> = on.keys().map(String::as_str).filter(|name| !name.starts_with(".gitm")).collect();
    let lib =
        ["vendor/lib/.gitmodules", "vendor/lib/below", "vendor/lib/below/leaf", "vendor/lib/below/leaf/leaf"];
    assert_eq!(on, [&["a", "vendor", "vendor/lib"][..], &lib, &["vendor/lib/lib"]].concat());
}

#[tokio::test]
async fn only_the_same_server_gets_the_credentials() {
    let repos = Repos::new();
    let lib = repos.commit("lib.git", "main", &Tree::new().file("lib", "2"));
    let guarded = repos.backend().login("me", "s3cret");
    let server = Standin::start(move |seen| guarded.answer(seen));
    let other = repos.http();
    let greedy = repos.backend().login("me", "s3cret");
    let greedy = Standin::start(move |seen| greedy.answer(seen));
    let mut door = door();
    door.policy.networks.push("127.0.0.0/8".parse().unwrap());
    let auth = GitAuth::Http { username: "me".to_owned(), password: "s3cret".to_owned().into() };
    let repo = GitRepo { url: format!("http://{}/app.git", server.host()), auth };
    let top = with(&repos, "lib", "../lib.git", &lib);
    assert_eq!(get(&door, &repo, &commit(&top), true).await.unwrap().files()["lib/lib"], "2");
    let top = with(&repos, "lib", &format!("http://{}/lib.git", other.host()), &lib);
    assert_eq!(get(&door, &repo, &commit(&top), true).await.unwrap().files()["lib/lib"], "2");
    let top = with(&repos, "lib", &format!("http://{}/lib.git", greedy.host()), &lib);
    refused(get(&door, &repo, &commit(&top), true).await, "git.unauthorized");
    for server in [other, greedy] {
        assert!(!server.seen().is_empty());
        assert!(server.seen().iter().all(|seen| seen.header("authorization").is_none()));
    }
}

#[tokio::test]
async fn they_lead_to_no_closed_address_and_no_file() {
    let trap = Trap::start();
    let repos = Repos::new();
    let lib = repos.commit("lib.git", "main", &Tree::new().file("lib", "2"));
    let server = repos.http();
    let (door, repo) = (door(), open(format!("http://{}/app.git", server.host())));
    for (url, code) in [
        (format!("http://{}/lib.git", trap.host()), "ssrf.blocked"),
        (format!("http://localhost:{}/lib.git", trap.port()), "ssrf.blocked"),
        (format!("git://{}/lib.git", trap.host()), "ssrf.blocked"),
        (format!("ssh://git@{}/lib.git", trap.host()), "ssrf.blocked"),
        ("http://169.254.169.254/lib.git".to_owned(), "ssrf.blocked"),
        (format!("file://{}", repos.path("lib.git").display()), "git.url"),
        (repos.path("lib.git").display().to_string(), "git.url"),
        ("ext::sh -c touch% /tmp/x".to_owned(), "git.url"),
        ("../../lib.git".to_owned(), "git.url"),
    ] {
        let top = with(&repos, "lib", &url, &lib);
        refused(get(&door, &repo, &commit(&top), true).await, code);
        assert!(get(&door, &repo, &commit(&top), false).await.is_ok(), "{url}");
    }
    let top = with(&repos, "lib", &format!("git://{}/lib.git", trap.host()), &lib);
    let door = GitDoor { git_protocol: false, ..door };
    refused(get(&door, &repo, &commit(&top), true).await, "git.url");
    trap.assert_untouched();
}

#[tokio::test]
async fn one_that_is_not_whole_is_an_error() {
    let repos = Repos::new();
    let lib = repos.commit("lib.git", "main", &Tree::new().file("lib", "2"));
    let server = repos.http();
    let (door, repo) = (door(), open(format!("http://{}/app.git", server.host())));
    let nameless = repos.commit("app.git", "main", &Tree::new().submodule("lib", &lib));
    refused(get(&door, &repo, &commit(nameless), true).await, "git.submodule");
    let elsewhere =
        Tree::new().file(".gitmodules", modules("x", "other", "../lib.git")).submodule("lib", &lib);
    let elsewhere = repos.commit("app.git", "main", &elsewhere);
    refused(get(&door, &repo, &commit(elsewhere), true).await, "git.submodule");
    let gone = with(&repos, "lib", "../lib.git", &"1".repeat(40));
    refused(get(&door, &repo, &commit(gone), true).await, "git.ref_missing");
    // One that lies in one that lies in one, and so on.
    let mut at = repos.commit("app.git", "main", &Tree::new());
    for _ in 0..9 {
        at = with(&repos, "deeper", "../app.git", &at);
    }
    refused(get(&door, &repo, &commit(at), true).await, "git.submodule");
}
