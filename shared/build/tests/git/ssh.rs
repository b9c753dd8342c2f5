//! Over ssh.

use build::git::{GitAuth, GitRef, GitRepo, pin};
use testkit::git::{Key, Repos, Sshd, Tree};

use crate::{commit, door, get, open, refused, whole};

const PASSPHRASE: &str = "opens 'the' $key";

struct Server {
    repos: Repos,
    sshd: Sshd,
    key: Key,
}

impl Server {
    fn start() -> Self {
        let repos = Repos::new();
        repos.commit("app.git", "main", &Tree::new().file("a", "1"));
        let key = Key::new(PASSPHRASE);
        Self { sshd: Sshd::start(&key), repos, key }
    }

    fn repo(&self, key: &str, passphrase: Option<&str>, known_hosts: Option<&str>) -> GitRepo {
        GitRepo {
            url: self.sshd.url(&self.repos.path("app.git")),
            auth: GitAuth::Ssh {
                username: None,
                key: key.to_owned().into(),
                passphrase: passphrase.map(|text| text.to_owned().into()),
                known_hosts: known_hosts.map(str::to_owned),
            },
        }
    }
}

#[tokio::test]
async fn a_key_and_its_passphrase() {
    let server = Server::start();
    let (door, key) = (door(), &server.key.private);
    let bare = server.sshd.host_key().to_owned();
    let line = format!("[127.0.0.1]:{} {bare}", server.sshd.port());
    for known_hosts in [None, Some(bare.as_str()), Some(line.as_str())] {
        let repo = server.repo(key, Some(PASSPHRASE), known_hosts);
        let context = whole(&door, &repo, &GitRef::Default)
            .await
            .unwrap_or_else(|e| panic!("{e} {}", server.sshd.log()));
        assert_eq!(context.files()["a"], "1");
        assert!(!context.heard.text().contains(PASSPHRASE));
    }
    let without = server.repo(&key.replace('\n', "\r\n"), Some(PASSPHRASE), None);
    assert!(pin(&door, &without, &GitRef::Default).await.is_ok());
    refused(
        get(&door, &server.repo(key, Some(PASSPHRASE), None), &commit("1".repeat(40)), false).await,
        "git.ref_missing",
    );
}

#[tokio::test]
async fn what_does_not_fit_is_told_apart() {
    let server = Server::start();
    let (door, key) = (door(), &server.key.private);
    let stranger = Key::new("");
    for (repo, code) in [
        (server.repo(key, Some("wrong"), None), "git.key"),
        (server.repo(key, None, None), "git.key"),
        (server.repo("no key", Some(PASSPHRASE), None), "git.key"),
        (server.repo(&stranger.private, None, None), "git.unauthorized"),
        (open(server.sshd.url(&server.repos.path("app.git"))), "git.unauthorized"),
        (server.repo(key, Some(PASSPHRASE), Some("")), "git.host_key"),
        (server.repo(key, Some(PASSPHRASE), Some(&stranger.public)), "git.host_key"),
        (
            GitRepo {
                url: server.sshd.url(&server.repos.path("none.git")),
                ..server.repo(key, Some(PASSPHRASE), None)
            },
            "git.not_found",
        ),
    ] {
        assert!(refused(pin(&door, &repo, &GitRef::Default).await, code).is_permanent());
    }
    let gone = format!("ssh://git@127.0.0.1:{}/a", testkit::tools::free_port());
    assert!(!refused(pin(&door, &open(gone), &GitRef::Default).await, "git.unreachable").is_permanent());
}
