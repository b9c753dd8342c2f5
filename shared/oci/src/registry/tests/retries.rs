use std::time::SystemTime;

use super::*;
use crate::reference::TagOrDigest;

fn tag() -> TagOrDigest {
    TagOrDigest::Tag("1".into())
}

/// Fails with `code` for the first `times` requests.
async fn failing(code: u16, retry_after: &'static str, times: usize) -> Stand {
    Stand::start(move |_, before| match before < times {
        true => with_header(code, "retry-after", retry_after),
        false => ok(manifest(b"c", &[b"l"])),
    })
    .await
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    for (code, wish) in
        [(429, "0"), (429, "soon"), (503, "0"), (500, ""), (502, "-1"), (504, "x"), (408, "0")]
    {
        let stand = failing(code, wish, 2).await;
        stand.repository(None).manifest(&tag()).await.unwrap();
        assert_eq!(stand.seen().len(), 3, "{code}");
    }
}

#[tokio::test]
async fn a_storm_is_left_after_some_attempts() {
    let stand = failing(503, "0", usize::MAX).await;
    let error = stand.repository(None).manifest(&tag()).await.unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("registry.error", false));
    assert_eq!(stand.seen().len(), 3);
}

#[tokio::test]
async fn a_long_wish_is_handed_on_at_once() {
    for code in [429, 503] {
        let stand = failing(code, "3600", usize::MAX).await;
        let error = stand.repository(None).manifest(&tag()).await.unwrap_err();
        assert!(!error.is_permanent());
        let wait = error.retry_at().unwrap().duration_since(SystemTime::now()).unwrap().as_secs();
        assert!((3500..=3600).contains(&wait), "{wait}");
        assert_eq!(stand.seen().len(), 1);
    }
    let stand = failing(429, "Fri, 15 May 2099 15:34:21 GMT", usize::MAX).await;
    let error = stand.repository(None).manifest(&tag()).await.unwrap_err();
    assert_eq!(error.code(), "registry.rate_limited");
    assert!(error.retry_at().unwrap() > SystemTime::now() + Duration::from_secs(86_400));
    assert_eq!(stand.seen().len(), 1);
}

#[tokio::test]
async fn a_short_wish_is_kept() {
    let stand = failing(429, "1", 1).await;
    let started = std::time::Instant::now();
    stand.repository(None).manifest(&tag()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn what_stays_is_not_asked_twice() {
    for code in [400, 404, 403, 418, 405] {
        let stand = failing(code, "0", usize::MAX).await;
        assert!(stand.repository(None).manifest(&tag()).await.unwrap_err().is_permanent());
        assert_eq!(stand.seen().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    // Bound and let go: nothing listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = Target::at(&format!("http://{free}"), "app").unwrap();
    let error = client(loopback()).repository(&target, None).manifest(&tag()).await.unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("registry.unreachable", false));
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn an_answer_that_never_begins_is_a_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::at(&format!("http://{}", listener.local_addr().unwrap()), "app").unwrap();
    // Accepted by the system, answered by nobody.
    let patience = Patience {
        connect: Duration::from_millis(50),
        silence: Duration::from_millis(50),
        attempts: 2,
        ..quick()
    };
    let client = Client::with_patience(loopback(), patience).unwrap();
    let error = client.repository(&target, None).manifest(&tag()).await.unwrap_err();
    assert_eq!(error.code(), "registry.timeout");
    drop(listener);
}

#[tokio::test]
async fn a_malformed_certificate_is_told() {
    for pem in [&b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"[..], b"", b"hello"] {
        let policy = NetworkPolicy { extra_roots: vec![pem.to_vec()], ..NetworkPolicy::default() };
        assert_eq!(Client::new(policy).unwrap_err().code(), "registry.setup");
    }
}
