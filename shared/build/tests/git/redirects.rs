//! Where a server leads, and addresses that nobody may reach.

use build::git::{GitAuth, GitDoor, GitRef, GitRepo, pin};
use oci::registry::NetworkPolicy;
use testkit::git::{Repos, Tree};
use testkit::{Answer, Standin, Trap};

use crate::{door, open, refused, whole};

fn login(url: impl ToString) -> GitRepo {
    let auth = GitAuth::Http { username: "me".to_owned(), password: "s3cret".to_owned().into() };
    GitRepo { url: url.to_string(), auth }
}

#[tokio::test]
async fn closed_addresses_see_no_connection() {
    let trap = Trap::start();
    let port = trap.port();
    let closed = GitDoor { policy: NetworkPolicy::default(), ..door() };
    for url in [
        format!("http://127.0.0.1:{port}/a"),
        format!("https://127.0.0.1:{port}/a"),
        format!("https://localhost:{port}/a"),
        format!("https://[::ffff:127.0.0.1]:{port}/a"),
        format!("https://2130706433:{port}/a"),
        format!("ssh://git@127.0.0.1:{port}/a"),
        format!("ssh://git@localhost:{port}/a"),
        format!("git://127.0.0.1:{port}/a"),
        format!("git://localhost:{port}/a"),
    ] {
        let error = refused(pin(&closed, &open(&url), &GitRef::Default).await, "ssrf.blocked");
        assert!(error.is_permanent(), "{url}");
    }
    trap.assert_untouched();
}

#[tokio::test]
async fn a_redirect_leads_to_no_other_private_port() {
    let trap = Trap::start();
    for to in [
        format!("http://{}/app.git/info/refs?service=git-upload-pack", trap.host()),
        format!("http://localhost:{}/app.git/info/refs?service=git-upload-pack", trap.port()),
    ] {
        let server = Standin::start(move |_| Answer::redirect(302, &to));
        let repo = login(format!("http://{}/app.git", server.host()));
        refused(pin(&door(), &repo, &GitRef::Default).await, "ssrf.blocked");
    }
    // Other protocols are not spoken, whoever names them.
    for to in [
        format!("https://{}/a/info/refs?service=git-upload-pack", trap.host()),
        format!("ftp://{}/a/info/refs?service=git-upload-pack", trap.host()),
        format!("gopher://{}/a/info/refs?service=git-upload-pack", trap.host()),
        "file:///etc/passwd".to_owned(),
    ] {
        let server = Standin::start(move |_| Answer::redirect(302, &to));
        let repo = login(format!("http://{}/app.git", server.host()));
        refused(pin(&door(), &repo, &GitRef::Default).await, "ssrf.blocked");
    }
    trap.assert_untouched();
}

#[tokio::test]
async fn a_redirect_carries_no_credentials_to_another_server() {
    let repos = Repos::new();
    repos.commit("app.git", "main", &Tree::new().file("a", "1"));
    // Whether the first asks for a password before it leads on, and whether the second does.
    for (first, second) in [(false, false), (false, true), (true, false), (true, true)] {
        let (backend, guarded) = (repos.backend(), repos.backend().login("me", "s3cret"));
        let thief = Standin::start(move |seen| if second { &guarded } else { &backend }.answer(seen));
        let to = thief.host();
        let server = Standin::start(move |seen| match seen.header("authorization") {
            None if first => Answer::challenge("Basic realm=\"test\""),
            _ => Answer::redirect(302, &format!("http://{to}{}", seen.path)),
        });
        // Where the operator opens the whole loopback, the redirect itself is followed.
        let mut door = door();
        door.policy.networks.push("127.0.0.0/8".parse().unwrap());
        let repo = login(format!("http://{}/app.git", server.host()));
        match whole(&door, &repo, &GitRef::Default).await {
            Ok(context) => assert_eq!(context.files()["a"], "1"),
            // Git keeps to the first server when it has given it a password.
            Err(error) => assert!(second || first, "{error}"),
        }
        assert_eq!(server.seen().iter().any(|seen| seen.header("authorization").is_some()), first);
        assert!(!thief.seen().is_empty());
        assert!(thief.seen().iter().all(|seen| seen.header("authorization").is_none()));
    }
}

#[tokio::test]
async fn a_renamed_repository_is_found_with_its_credentials() {
    let repos = Repos::new();
    repos.commit("new.git", "main", &Tree::new().file("a", "1"));
    let backend = repos.backend().login("me", "s3cret");
    let server = Standin::start(move |seen| match seen.path.strip_prefix("/old.git") {
        Some(rest) => Answer::redirect(301, &format!("/new.git{rest}")),
        None => backend.answer(seen),
    });
    let repo = login(format!("http://{}/old.git", server.host()));
    assert_eq!(whole(&door(), &repo, &GitRef::Default).await.unwrap().files()["a"], "1");
}
