//! Addresses that must not be reached. A listener stands there and counts: no connection may come.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::reference::TagOrDigest;

fn tag() -> TagOrDigest {
    TagOrDigest::Tag("1".into())
}

/// Something on the loopback that is not to be talked to.
struct Forbidden {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Forbidden {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections: Arc<AtomicUsize> = Arc::default();
        let count = connections.clone();
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, connections }
    }

    fn assert_untouched(&self) {
        assert_eq!(self.connections.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn without_a_word_from_the_operator_the_loopback_is_closed() {
    let forbidden = Forbidden::start().await;
    let port = forbidden.port;
    for url in [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("https://localhost:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
        format!("http://0.0.0.0:{port}"),
        "http://169.254.169.254".into(),
    ] {
        let target = Target::at(&url, "app").unwrap();
        let error =
            client(NetworkPolicy::default()).repository(&target, None).manifest(&tag()).await.unwrap_err();
        assert_eq!((error.code(), error.is_permanent()), ("ssrf.blocked", true), "{url}: {error}");
    }
    forbidden.assert_untouched();
}

#[tokio::test]
async fn names_are_checked_where_they_lead() {
    let stand = Stand::start(|_, _| ok(manifest(b"c", &[b"l"]))).await;
    let url = stand.url.replace("127.0.0.1", "localhost");
    let target = Target::at(&url, "app").unwrap();
    client(NetworkPolicy::embedded()).repository(&target, None).manifest(&tag()).await.unwrap();
    let hosts = vec![url.strip_prefix("http://").unwrap().parse().unwrap()];
    let listed = NetworkPolicy { hosts, ..NetworkPolicy::default() };
    client(listed).repository(&target, None).manifest(&tag()).await.unwrap();
}

#[tokio::test]
async fn a_realm_may_not_name_what_the_user_did_not() {
    let forbidden = Forbidden::start().await;
    let port = forbidden.port;
    for realm in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        "http://169.254.169.254/latest/meta-data".into(),
        "file:///etc/passwd".into(),
        format!("gopher://127.0.0.1:{port}/"),
        format!("http://u:p@127.0.0.1:{port}/"),
    ] {
        let challenge = format!(r#"Bearer realm="{realm}""#);
        let stand = Stand::start(move |_, _| with_header(401, "www-authenticate", &challenge)).await;
        let repository = client(NetworkPolicy::embedded())
            .repository(&stand.target(), Some(Credentials::new("me", "secret")));
        let error = repository.manifest(&tag()).await.unwrap_err();
        assert_eq!(error.code(), "ssrf.blocked", "{realm}");
        assert_eq!(stand.seen().len(), 1);
    }
    forbidden.assert_untouched();
}

#[tokio::test]
async fn redirects_are_checked_anew() {
    let forbidden = Forbidden::start().await;
    let port = forbidden.port;
    for location in [
        format!("http://127.0.0.1:{port}/"),
        format!("//localhost:{port}/x?token=hunter2"),
        "http://10.0.0.1/".into(),
        "http://[fd00:ec2::254]/".into(),
        "file:///etc/passwd".into(),
    ] {
        let place = location.clone();
        let stand = Stand::start(move |_, _| with_header(307, "location", &place)).await;
        let repository = client(NetworkPolicy::embedded()).repository(&stand.target(), None);
        for error in [
            repository.manifest(&tag()).await.unwrap_err(),
            repository.blob(&layer(b"x")).await.unwrap_err(),
            repository.has_blob(&Digest::of(b"x")).await.unwrap_err(),
        ] {
            assert_eq!(error.code(), "ssrf.blocked", "{location}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
    forbidden.assert_untouched();
}

#[tokio::test]
async fn a_token_server_may_not_send_us_elsewhere() {
    let forbidden = Forbidden::start().await;
    let location = format!("http://127.0.0.1:{}/", forbidden.port);
    let stand = Stand::start(move |seen, _| match seen.path.starts_with("/token") {
        true => with_header(302, "location", &location),
        false => {
            let realm = format!(r#"Bearer realm="http://{}/token""#, seen.header("host").unwrap());
            with_header(401, "www-authenticate", &realm)
        }
    })
    .await;
    let repository = client(NetworkPolicy::embedded()).repository(&stand.target(), None);
    assert_eq!(repository.manifest(&tag()).await.unwrap_err().code(), "ssrf.blocked");
    forbidden.assert_untouched();
}

#[tokio::test]
async fn redirects_end() {
    let stand = Stand::start(|seen, _| with_header(302, "location", &format!("{}x", seen.path))).await;
    let error = stand.repository(None).manifest(&tag()).await.unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("registry.error", true));
    assert_eq!(stand.seen().len(), 6);
}
