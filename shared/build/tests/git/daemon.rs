//! Over git's own protocol.

use build::git::{GitDoor, GitRef, pin};
use testkit::git::{Daemon, Repos, Tree};

use crate::{door, open, refused, whole};

#[tokio::test]
async fn where_the_operator_allows_it() {
    let repos = Repos::new();
    repos.commit("app.git", "main", &Tree::new().file("a", "1"));
    let daemon = Daemon::start(&repos);
    let (door, repo) = (door(), open(format!("git://{}/app.git", daemon.host())));
    assert_eq!(whole(&door, &repo, &GitRef::Default).await.unwrap().files()["a"], "1");
    let none = open(format!("git://{}/none.git", daemon.host()));
    refused(pin(&door, &none, &GitRef::Default).await, "git.not_found");
    let closed = GitDoor { git_protocol: false, ..door };
    refused(pin(&closed, &repo, &GitRef::Default).await, "git.url");
}
