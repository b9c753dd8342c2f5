//! 107: a password goes to the registry it is for, to its token server, and nowhere else.

use super::*;

const ME: [&str; 4] = ["--registry-username", "me", "--registry-password", "hunter2-hunter2"];
const BASIC: &str = "Basic bWU6aHVudGVyMi1odW50ZXIy";

/// Answers only who shows this.
fn guarded(seen: &testkit::standin::Seen, shown: &str, challenge: &str) -> Option<Answer> {
    (seen.header("authorization") != Some(shown)).then(|| Answer::challenge(challenge))
}

/// No request to it showed anything.
fn assert_nothing_shown(standin: &Standin) {
    for seen in standin.seen() {
        let shown = seen.header("authorization").or(seen.header("cookie"));
        assert_eq!((shown, seen.path.contains("hunter2")), (None, false), "{seen:?}");
    }
}

#[test]
fn n107_credentials_stay_at_home() {
    let elsewhere =
        lying(shelf(), |seen| seen.path.contains("asks").then(|| Answer::challenge("Basic realm=\"x\"")));
    let there = format!("http://localhost:{}", elsewhere.port());
    let trap = Trap::start();
    // n0 sends its blobs elsewhere, n1 its manifests, n2 everything to somebody who asks who we are.
    let (place, next) = (there.clone(), format!("<http://localhost:{}/next>; rel=\"next\"", trap.port()));
    let registry = lying(shelf(), move |seen| {
        guarded(seen, BASIC, "Basic realm=\"x\"").or_else(|| match variant(seen) {
            0 if seen.path.contains("/blobs/") => {
                Some(Answer::redirect(307, &format!("{place}{}", seen.path)))
            }
            1 if seen.path.contains("/manifests/") => {
                Some(Answer::redirect(302, &format!("{place}{}", seen.path)))
            }
            2 => Some(Answer::redirect(302, &format!("{place}/asks{}", seen.path))),
            3 if seen.path.contains("/manifests/1") => {
                Some(shelf().answer(seen).header("link", &next).header("set-cookie", "a=b"))
            }
            _ => None,
        })
    });
    // Its token server is another host with TLS, as Docker Hub's is. n5 is its own, and sends the question elsewhere;
    // n6 names another host without TLS.
    let tokens = Standin::tls(|seen| {
        guarded(seen, BASIC, "Basic realm=\"t\"")
            .unwrap_or_else(|| Answer::new(200, r#"{"token":"a-token-of-its-own","expires_in":300}"#))
    });
    let (secure, plain) =
        (format!("https://localhost:{}", tokens.port()), format!("http://localhost:{}", trap.port()));
    let with_tokens = lying(shelf(), move |seen| {
        if seen.path.starts_with("/token") {
            return Some(Answer::redirect(307, &format!("{there}/token")));
        }
        let server = match variant(seen) {
            5 => format!("http://{}", seen.header("host").unwrap()),
            6 => plain.clone(),
            _ => secure.clone(),
        };
        let realm = format!("Bearer realm=\"{server}/token/n{}\",service=\"s\"", variant(seen));
        guarded(seen, "Bearer a-token-of-its-own", &realm)
    });
    let pem = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(pem.path(), tokens.certificate()).unwrap();
    let case = Case::with(&[
        ("PLATEN_CA_FILE", pem.path().to_str().unwrap()),
        ("PLATEN_ALLOW_NETWORK", "127.0.0.0/8,::1/128"),
    ]);
    for number in [0, 1, 3] {
        case.live_from(&format!("{}/n{number}/x:1", registry.host()), &ME);
    }
    case.refuses_from(&format!("{}/n2/x:1", registry.host()), &ME, "registry.denied");
    assert!(elsewhere.asked("/n0/x/blobs/") > 0 && elsewhere.asked("/n1/x/manifests/") > 0);
    assert!(elsewhere.asked("/asks/v2/n2/") > 0);
    case.live_from(&format!("{}/n4/x:1", with_tokens.host()), &ME);
    assert!(tokens.asked("/token/n4") > 0);
    let shown = with_tokens.seen().iter().filter(|seen| seen.header("authorization") == Some(BASIC)).count();
    assert_eq!(shown, 0, "the password is for the token server alone");
    case.refuses_from(&format!("{}/n5/x:1", with_tokens.host()), &ME, "registry.error");
    let own = with_tokens.seen().into_iter().find(|seen| seen.path.starts_with("/token/n5")).unwrap();
    assert_eq!((own.header("authorization"), elsewhere.asked("/token")), (Some(BASIC), 1));
    // A token server without TLS on another host.
    case.refuses_from(&format!("{}/n6/x:1", with_tokens.host()), &ME, "ssrf.blocked");
    assert_nothing_shown(&elsewhere);
    trap.assert_untouched();
    // Nor are they said anywhere.
    let log = std::fs::read_to_string(case.factory.dir().join("platen.log")).unwrap();
    let said =
        [log, case.factory.run(&["events", "-o", "json"]), case.factory.run(&["sources", "-o", "json"])]
            .concat();
    assert!(
        !said.contains("hunter2") && !said.contains("bWU6aHVudGVy") && !said.contains("a-token-of"),
        "{said}"
    );
}
