use super::*;
use crate::reference::TagOrDigest;

fn tag() -> TagOrDigest {
    TagOrDigest::Tag("1".into())
}

fn me() -> Option<Credentials> {
    Some(Credentials::new("me", "secret"))
}

const BASIC: &str = "Basic bWU6c2VjcmV0";

/// A registry whose realm is itself and which takes tokens `token-<n>` for n from `least`.
async fn with_tokens(least: usize) -> Stand {
    Stand::start(move |seen, before| {
        if seen.path.starts_with("/token") {
            return ok(json!({"token": format!("token-{before}"), "expires_in": 300}).to_string());
        }
        let number = seen.header("authorization").and_then(|a| a.strip_prefix("Bearer token-"));
        if number.is_some_and(|n| n.parse::<usize>().unwrap() >= least) {
            return ok(manifest(b"c", &[b"l"]));
        }
        let host = seen.header("host").unwrap();
        let challenge = format!(
            r#"Bearer realm="http://{host}/token?a=b",service="reg",scope="repository:team/app:pull""#
        );
        with_header(401, "www-authenticate", &challenge)
    })
    .await
}

#[tokio::test]
async fn a_token_is_fetched_once_and_used_again() {
    let stand = with_tokens(0).await;
    let repository = stand.repository(me());
    repository.manifest(&tag()).await.unwrap();
    repository.clone().manifest(&tag()).await.unwrap();
    let seen = stand.seen();
    let paths: Vec<&str> = seen.iter().map(|s| s.path.as_str()).collect();
    let token = "/token?a=b&service=reg&scope=repository%3Ateam%2Fapp%3Apull";
    let it = "/v2/team/app/manifests/1";
    assert_eq!(paths, [it, token, it, it]);
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(seen[1].header("authorization"), Some(BASIC));
    assert_eq!(seen[3].header("authorization"), Some("Bearer token-1"));
}

#[tokio::test]
async fn a_token_that_is_no_longer_accepted_is_renewed() {
    let stand = with_tokens(3).await;
    let repository = stand.repository(None);
    // Asks, gets token-1, is refused: the first request fails, since a fresh token was not accepted.
    assert_eq!(repository.manifest(&tag()).await.unwrap_err().code(), "registry.denied");
    // Shows token-1, is refused, gets token-4.
    repository.manifest(&tag()).await.unwrap();
    assert_eq!(stand.seen().last().unwrap().header("authorization"), Some("Bearer token-4"));
}

#[tokio::test]
async fn a_token_that_has_run_out_is_not_shown() {
    let stand = with_tokens(0).await;
    let repository = stand.repository(None);
    repository.manifest(&tag()).await.unwrap();
    repository.inner.auth.pass.lock().await.as_mut().unwrap().until = Some(std::time::Instant::now());
    repository.manifest(&tag()).await.unwrap();
    let shown: Vec<_> = stand.seen().iter().map(|s| s.header("authorization").map(str::to_owned)).collect();
    let token = |n: usize| Some(format!("Bearer token-{n}"));
    assert_eq!(shown, [None, None, token(1), None, None, token(4)]);
}

#[tokio::test]
async fn parallel_requests_share_a_token() {
    let stand = with_tokens(0).await;
    let repository = stand.repository(None);
    let tag = tag();
    let all = futures::future::join_all((0..8).map(|_| repository.manifest(&tag))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(stand.seen().iter().filter(|s| s.path.starts_with("/token")).count(), 1);
}

#[tokio::test]
async fn a_registry_that_always_asks_is_left_soon() {
    let stand = with_tokens(usize::MAX).await;
    let error = stand.repository(me()).manifest(&tag()).await.unwrap_err();
    assert_eq!(error.code(), "registry.denied");
    assert_eq!(stand.seen().len(), 3, "asked, token, asked");
}

#[tokio::test]
async fn basic_credentials_are_shown_when_asked_for() {
    let stand = Stand::start(|seen, _| match seen.header("authorization") {
        Some(BASIC) => ok(manifest(b"c", &[b"l"])),
        _ => with_header(401, "www-authenticate", r#"Basic realm="reg""#),
    })
    .await;
    stand.repository(me()).manifest(&tag()).await.unwrap();
    let wrong = stand.repository(Some(Credentials::new("me", "wrong"))).manifest(&tag()).await.unwrap_err();
    assert_eq!(wrong.code(), "registry.unauthorized");
    assert!(wrong.is_permanent() && !wrong.to_string().contains("wrong"), "{wrong}");
    assert_eq!(stand.repository(None).manifest(&tag()).await.unwrap_err().code(), "registry.denied");
}

#[tokio::test]
async fn what_the_token_server_says_decides() {
    for (answer, credentials, code) in [
        (401, me(), "registry.unauthorized"),
        (403, me(), "registry.unauthorized"),
        (401, None, "registry.denied"),
        (404, me(), "registry.error"),
        (503, me(), "registry.error"),
        (429, me(), "registry.rate_limited"),
    ] {
        let stand = Stand::start(move |seen, _| match seen.path.starts_with("/token") {
            true => status(answer),
            false => {
                let realm = format!(r#"Bearer realm="http://{}/token""#, seen.header("host").unwrap());
                with_header(401, "www-authenticate", &realm)
            }
        })
        .await;
        let error = stand.repository(credentials).manifest(&tag()).await.unwrap_err();
        assert_eq!(error.code(), code, "{answer}");
    }
}

#[tokio::test]
async fn a_token_is_small_and_fit_for_a_header() {
    let large = json!({"token": "x".repeat(2 << 20)}).to_string();
    let strange = json!({"token": "a\nHost: b"}).to_string();
    for body in [large, strange, "{}".into(), "<html>".into(), json!({"token": ""}).to_string()] {
        let shown = body.get(..20).unwrap_or(&body).to_owned();
        let stand = Stand::start(move |seen, _| match seen.path.starts_with("/token") {
            true => ok(body.clone()),
            false => {
                let realm = format!(r#"Bearer realm="http://{}/token""#, seen.header("host").unwrap());
                with_header(401, "www-authenticate", &realm)
            }
        })
        .await;
        let error = stand.repository(None).manifest(&tag()).await.unwrap_err();
        assert_eq!((error.code(), error.is_permanent()), ("registry.error", true), "{shown}");
    }
}

#[tokio::test]
async fn authorization_stays_at_home() {
    let elsewhere = Stand::start(|_, _| ok(content(1000))).await;
    let there = elsewhere.url.clone();
    let stand = Stand::start(move |seen, _| match seen.header("authorization") {
        Some(_) => with_header(307, "location", &format!("{there}/signed?key=1")),
        None => with_header(401, "www-authenticate", "Basic"),
    })
    .await;
    assert_eq!(pull(&stand.repository(me()), &layer(&content(1000))).await.unwrap(), content(1000));
    let seen = elsewhere.seen();
    assert_eq!((seen.len(), seen[0].path.as_str()), (1, "/signed?key=1"));
    assert_eq!(seen[0].header("authorization"), None);
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_clear_to_another_host() {
    let tokens = Stand::start(|_, _| ok(r#"{"token":"t"}"#)).await;
    let realm = format!(r#"Bearer realm="{}/token""#, tokens.url.replace("127.0.0.1", "localhost"));
    let stand = Stand::start(move |seen, _| match seen.header("authorization") {
        Some("Bearer t") => ok(manifest(b"c", &[b"l"])),
        _ => with_header(401, "www-authenticate", &realm),
    })
    .await;
    let error = stand.repository(me()).manifest(&tag()).await.unwrap_err();
    assert_eq!(error.code(), "ssrf.blocked");
    assert!(error.to_string().contains("no password") && tokens.seen().is_empty(), "{error}");
    // Who has none may be sent there: the operator allows the network.
    stand.repository(None).manifest(&tag()).await.unwrap();
    assert_eq!(tokens.seen().len(), 1);
}
