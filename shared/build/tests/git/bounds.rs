//! How long and how large, and what is left behind.

use std::time::{Duration, Instant};

use build::git::{GitDoor, GitRef, checkout, pin};
use testkit::git::{Repos, Tree};
use testkit::{Answer, Standin};

use crate::{Heard, commit, door, get, open, refused};

/// Whether a process names this on its command line.
fn runs(mark: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok()).any(|line| {
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("git") && line.contains(mark)
    })
}

async fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A server that never ends its answer.
fn silent() -> Standin {
    Standin::start(|_| {
        Answer::raw(|write| {
            loop {
                std::thread::sleep(Duration::from_millis(20));
                write(b"")?;
            }
        })
    })
}

#[tokio::test]
async fn a_silent_server_is_given_up_and_no_process_stays() {
    let server = silent();
    let door = GitDoor { patience: Duration::from_millis(700), ..door() };
    let repo = open(format!("http://{}/app.git", server.host()));
    let error = refused(pin(&door, &repo, &GitRef::Default).await, "git.unreachable");
    assert!(!error.is_permanent());
    until(|| !runs(&server.host())).await;
}

#[tokio::test]
async fn whoever_stops_waiting_ends_it() {
    let server = silent();
    let repo = open(format!("http://{}/app.git", server.host()));
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("context");
    let task = tokio::spawn(async move {
        checkout(&door(), &repo, &commit("1".repeat(40)), false, &into, &Heard::default().say()).await
    });
    until(|| !server.seen().is_empty()).await;
    assert!(runs(&server.host()));
    task.abort();
    let _ = task.await;
    until(|| !runs(&server.host())).await;
}

#[tokio::test]
async fn what_is_too_large_is_cut_off() {
    let repos = Repos::new();
    let noise: Vec<u8> = (0..4u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let packed = repos.commit("app.git", "packed", &Tree::new().file("noise", noise));
    let zeros = repos.commit("app.git", "zeros", &Tree::new().file("zeros", vec![0; 8 << 20]));
    let server = repos.http();
    let repo = open(format!("http://{}/app.git", server.host()));
    let door = GitDoor { max_bytes: 2 << 20, ..door() };
    for id in [packed, zeros] {
        assert!(refused(get(&door, &repo, &commit(id), false).await, "git.too_large").is_permanent());
    }
}

/// Ten directories of ten, ten deep: ten thousand million files in a few kilobytes.
#[tokio::test]
async fn a_tree_that_names_itself_many_times() {
    let repos = Repos::new();
    let mut id = repos.written("app.git", &Tree::new().file("a", ""));
    for _ in 0..10 {
        let tree = (0..10).fold(Tree::new(), |tree, n| tree.tree(&format!("d{n}"), &id));
        id = repos.written("app.git", &tree);
    }
    let bomb = repos.commit("app.git", "main", &Tree::new().tree("d", &id));
    let server = repos.http();
    let repo = open(format!("http://{}/app.git", server.host()));
    refused(get(&door(), &repo, &commit(bomb), false).await, "git.too_large");
}
