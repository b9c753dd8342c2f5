//! Over http and https.

use build::git::{GitAuth, GitDoor, GitRef, GitRepo, Pinned, checkout, pin};
use testkit::git::{Repos, Tree};
use testkit::{Answer, Standin};

use crate::{Heard, branch, commit, door, get, open, refused, whole};

const USER: &str = "some.body@example.com";
const PASSWORD: &str = "s3cret of $omebody's \"own\" %40";

fn login(url: impl ToString, password: &str) -> GitRepo {
    let auth = GitAuth::Http { username: USER.to_owned(), password: password.to_owned().into() };
    GitRepo { url: url.to_string(), auth }
}

#[tokio::test]
async fn whatever_is_wanted_is_pinned_and_got() {
    let repos = Repos::new();
    let first = repos.commit("app.git", "main", &Tree::new().file("a", "1").file("old", ""));
    let second = repos.commit(
        "app.git",
        "main",
        &Tree::new()
            .file("a", "2")
            .program("run", "x")
            .symlink("link", "../../etc/passwd")
            .file("dir/b", "b"),
    );
    let other = repos.commit("app.git", "feature/x", &Tree::new().file("a", "3"));
    let tag = repos.tag("app.git", "v1", &first);
    repos.git("app.git", &["tag", "light", &first]);
    // What a pattern of git's would find too.
    repos.git("app.git", &["update-ref", "refs/heads/refs/heads/main", &other]);
    let server = repos.http();
    let repo = open(format!("http://{}/app.git", server.host()));
    let door = door();
    for (wanted, id, name, content) in [
        (GitRef::Default, &second, Some("refs/heads/main"), "2"),
        (branch("main"), &second, Some("refs/heads/main"), "2"),
        (branch("feature/x"), &other, Some("refs/heads/feature/x"), "3"),
        (GitRef::Tag("v1".into()), &first, Some("refs/tags/v1"), "1"),
        (GitRef::Tag("light".into()), &first, Some("refs/tags/light"), "1"),
        (GitRef::Commit(first.to_uppercase()), &first, None, "1"),
    ] {
        let pinned = pin(&door, &repo, &wanted).await.unwrap();
        assert_eq!(pinned, Pinned { commit: id.clone(), fetch_ref: name.map(str::to_owned) }, "{wanted:?}");
        assert_ne!(pinned.commit, tag);
        let context = get(&door, &repo, &pinned, false).await.unwrap();
        assert_eq!(context.files()["a"], content);
    }
    let files = get(&door, &repo, &commit(&second), false).await.unwrap().files();
    let files: Vec<_> = files.iter().map(|(path, content)| format!("{path}={content}")).collect();
    assert_eq!(files, ["a=2", "dir=dir", "dir/b=b", "link=-> ../../etc/passwd", "run*=x"]);
}

#[tokio::test]
async fn ids_may_be_long() {
    let repos = Repos::new();
    repos.sha256("app.git");
    let id = repos.commit("app.git", "main", &Tree::new().file("a", "1"));
    let server = repos.http();
    let (door, repo) = (door(), open(format!("http://{}/app.git", server.host())));
    assert_eq!(id.len(), 64);
    assert_eq!(pin(&door, &repo, &GitRef::Default).await.unwrap().commit, id);
    assert_eq!(get(&door, &repo, &commit(id), false).await.unwrap().files()["a"], "1");
    // A short id is of another kind of repository.
    assert!(get(&door, &repo, &commit("1".repeat(40)), false).await.err().unwrap().is_permanent());
}

#[tokio::test]
async fn what_is_not_there_is_missing_and_nothing_else_comes_in_its_place() {
    let repos = Repos::new();
    let id = repos.commit("app.git", "main", &Tree::new().file("a", "1"));
    let tag = repos.tag("app.git", "v1", &id);
    let tree = repos.git("app.git", &["rev-parse", "main^{tree}"]);
    repos.git("empty.git", &["rev-parse"]);
    let server = repos.http();
    let url = |name: &str| open(format!("http://{}/{name}", server.host()));
    let (door, repo) = (door(), url("app.git"));
    refused(pin(&door, &repo, &branch("gone")).await, "git.ref_missing");
    refused(pin(&door, &repo, &GitRef::Tag("main".into())).await, "git.ref_missing");
    refused(pin(&door, &repo, &branch("v1")).await, "git.ref_missing");
    refused(pin(&door, &repo, &GitRef::Commit("abcdef".into())).await, "git.ref");
    refused(pin(&door, &url("empty.git"), &GitRef::Default).await, "git.ref_missing");
    assert!(refused(pin(&door, &url("none.git"), &GitRef::Default).await, "git.not_found").is_permanent());
    for id in ["0123456789".repeat(4), tag, tree] {
        let error = refused(get(&door, &repo, &commit(id), false).await, "git.ref_missing");
        assert!(error.is_permanent());
    }
    let moved = Pinned { commit: "1".repeat(40), fetch_ref: Some("refs/heads/main".into()) };
    refused(get(&door, &repo, &moved, false).await, "git.ref_missing");
}

#[tokio::test]
async fn old_servers_give_what_a_ref_is_at_and_what_lies_below() {
    let repos = Repos::new();
    let first = repos.commit("app.git", "main", &Tree::new().file("a", "1"));
    let second = repos.commit("app.git", "main", &Tree::new().file("a", "2"));
    let backend = repos.backend().old();
    let server = Standin::start(move |seen| backend.answer(seen));
    let (door, repo) = (door(), open(format!("http://{}/app.git", server.host())));
    assert_eq!(whole(&door, &repo, &GitRef::Default).await.unwrap().files()["a"], "2");
    for fetch_ref in [None, Some("refs/heads/main".to_owned()), Some("refs/heads/gone".to_owned())] {
        for (id, content) in [(&first, "1"), (&second, "2")] {
            let pinned = Pinned { commit: id.clone(), fetch_ref: fetch_ref.clone() };
            assert_eq!(get(&door, &repo, &pinned, false).await.unwrap().files()["a"], content);
        }
        let pinned = Pinned { commit: "1".repeat(40), fetch_ref };
        refused(get(&door, &repo, &pinned, false).await, "git.ref_missing");
    }
}

#[tokio::test]
async fn passwords() {
    let repos = Repos::new();
    repos.commit("app.git", "main", &Tree::new().file("a", "1"));
    let backend = repos.backend().login(USER, PASSWORD);
    let server = Standin::start(move |seen| backend.answer(seen));
    let (door, url) = (door(), format!("http://{}/app.git", server.host()));
    let context = whole(&door, &login(&url, PASSWORD), &GitRef::Default).await.unwrap();
    assert_eq!(context.files()["a"], "1");
    for repo in [open(&url), login(&url, "wrong-w0rd"), login(&url, ""), login(&url, "two\nlines")] {
        let error = refused(pin(&door, &repo, &GitRef::Default).await, "git.unauthorized");
        assert!(error.is_permanent() && !format!("{error:?} {repo:?}").contains("w0rd"));
        refused(get(&door, &repo, &commit("1".repeat(40)), false).await, "git.unauthorized");
    }
    let key =
        GitAuth::Ssh { username: None, key: "x".to_owned().into(), passphrase: None, known_hosts: None };
    let repo = GitRepo { url, auth: key };
    refused(pin(&door, &repo, &GitRef::Default).await, "git.unauthorized");
}

#[tokio::test]
async fn a_server_that_repeats_the_password() {
    let server = Standin::start(|seen| match seen.header("authorization") {
        None => Answer::challenge("Basic realm=\"test\""),
        Some(_) => Answer::new(403, format!("you said {PASSWORD}\n")).header("content-type", "text/plain"),
    });
    let repo = login(format!("http://{}/app.git", server.host()), PASSWORD);
    let (dir, heard) = (tempfile::tempdir().unwrap(), Heard::default());
    let (into, id) = (dir.path().join("context"), commit("1".repeat(40)));
    let done = checkout(&door(), &repo, &id, false, &into, &heard.say()).await;
    refused(done, "git.unauthorized");
    assert!(heard.text().contains("you said ***"), "{}", heard.text());
    assert!(!heard.text().contains(PASSWORD));
}

#[tokio::test]
async fn tls_with_an_authority_of_the_operators() {
    let repos = Repos::new();
    repos.commit("app.git", "main", &Tree::new().file("a", "1"));
    let backend = repos.backend().login(USER, PASSWORD);
    let server = Standin::tls(move |seen| backend.answer(seen));
    let repo = login(format!("https://{}/app.git", server.host()), PASSWORD);
    let stranger = refused(pin(&door(), &repo, &GitRef::Default).await, "git.tls");
    assert!(stranger.is_permanent());
    let mut door = door();
    door.policy.extra_roots.push(server.certificate().into());
    assert_eq!(whole(&door, &repo, &GitRef::Default).await.unwrap().files()["a"], "1");
    assert!(server.seen().iter().any(|seen| seen.header("authorization").is_some()));
}

#[tokio::test]
async fn servers_that_fail_may_come_back() {
    let broken = Standin::start(|_| Answer::new(503, ""));
    let page = Standin::start(|_| Answer::new(200, "<html>\n<body>\n").header("content-type", "text/html"));
    let door = door();
    let ask = async |server: &Standin| {
        pin(&door, &open(format!("http://{}/a", server.host())), &GitRef::Default).await
    };
    assert!(!refused(ask(&broken).await, "git.unreachable").is_permanent());
    assert!(refused(ask(&page).await, "git.not_found").is_permanent());
    let gone = format!("http://127.0.0.1:{}/a", testkit::tools::free_port());
    assert!(!refused(pin(&door, &open(gone), &GitRef::Default).await, "git.unreachable").is_permanent());
    let nowhere = GitDoor { policy: oci::registry::NetworkPolicy::default(), ..door.clone() };
    let unknown = open("https://nowhere.invalid/a");
    assert!(!refused(pin(&nowhere, &unknown, &GitRef::Default).await, "git.unreachable").is_permanent());
}
