//! 105 to 112, and the slow half of 93: registries, token servers and the network between.
//!
//! Variants that only wait go side by side, on one factory.

use std::thread;

use testkit::{Answer, Image, Shelf, Standin, Trap};

use crate::case::Case;

mod answers;
mod credentials;
mod slow;
mod waits;

fn small() -> Image {
    Image::new().layer(|l| l.dir("d").file("d/a", "a".repeat(5000)))
}

fn shelf() -> Shelf {
    Shelf::new().image("1", &small())
}

/// A registry that answers honestly where `lie` does not answer.
fn lying(
    shelf: Shelf,
    lie: impl Fn(&testkit::standin::Seen) -> Option<Answer> + Send + Sync + 'static,
) -> Standin {
    Standin::start(move |seen| lie(seen).unwrap_or_else(|| shelf.answer(seen)))
}

/// The number in `/v2/n<number>/x/…`: one registry tells every variant of a lie, each in a repository of its own.
fn variant(seen: &testkit::standin::Seen) -> usize {
    seen.path.split('/').find_map(|part| part.strip_prefix('n')?.parse().ok()).unwrap_or_default()
}

/// Imports every variant, a few at once; all must be refused with this code.
fn all_refused(case: &Case, base: &str, count: usize, code: &str) {
    thread::scope(|scope| {
        for part in 0..3 {
            scope.spawn(move || {
                for number in (part..count).step_by(3) {
                    case.refuses_from(&format!("{base}/n{number}/x:1"), &[], code);
                }
            });
        }
    });
}

/// Addresses by which a private listener on `port`, or a private network, might be reached in spite of all.
fn private(port: u16) -> Vec<String> {
    let on_this_machine = [
        "https://127.0.0.1",
        "http://127.0.0.1",
        "http://127.0.0.1.",
        "http://localhost",
        "https://localhost",
        "http://127.1",
        "http://2130706433",
        "https://0x7f000001",
        "http://0177.0.0.1",
        "http://0.0.0.0",
        "https://0",
        "http://[::]",
        "http://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://[64:ff9b::7f00:1]",
    ];
    let elsewhere = [
        "http://169.254.169.254",
        "https://10.0.0.1",
        "https://172.16.0.1",
        "https://192.168.0.1",
        "https://100.64.0.1",
        "https://[fd00:ec2::254]",
        "https://[fe80::1]",
        "https://[64:ff9b:1::a00:1]",
        "https://[2002:a00:1::]",
        "http://1.1.1.1",
    ];
    let here = on_this_machine.iter().map(|url| format!("{url}:{port}"));
    here.chain(elsewhere.map(str::to_owned)).collect()
}

#[test]
fn n105_realms_and_registries_that_are_private() {
    let trap = Trap::start();
    let mut realms = private(trap.port());
    realms.extend([
        "file:///etc/passwd".to_owned(),
        format!("gopher://{}/", trap.host()),
        format!("http://u:p@{}/", trap.host()),
        format!("//{}/", trap.host()),
    ]);
    let told = realms.clone();
    let challenge = move |seen: &testkit::standin::Seen| {
        told.get(variant(seen))
            .map(|realm| Answer::challenge(&format!("Bearer realm=\"{realm}/token\",service=\"s\"")))
    };
    let registry = lying(shelf(), challenge.clone());
    // Without the loopback: only what the operator names.
    let allowed = registry.host();
    let strict = Case::with(&[("PLATEN_ALLOW_LOOPBACK", "false"), ("PLATEN_ALLOW_NETWORK", &allowed)]);
    // A realm without a scheme is no url, and told as such.
    let last = realms.len() - 1;
    all_refused(&strict, &registry.host(), last, "ssrf.blocked");
    strict.refuses_from(&format!("{}/n{last}/x:1", registry.host()), &[], "registry.error");
    for url in private(trap.port()).iter().step_by(2) {
        strict.refuses_from(&format!("{url}/demo/x:1"), &[], "ssrf.blocked");
    }
    trap.assert_untouched();
    strict.nothing_is_left();
    // With it: what the user names, and not what the registry does. And TLS is not left for plain http.
    let secure = Standin::tls(move |seen| challenge(seen).unwrap_or_else(|| Answer::new(404, "")));
    let port = secure.port();
    let downgrade = Standin::tls(move |seen| match seen.path.starts_with("/v2/own") {
        true => Answer::challenge(&format!("Bearer realm=\"http://{}/token\"", seen.header("host").unwrap())),
        false => Answer::redirect(307, &format!("http://127.0.0.1:{port}/")),
    });
    let pem = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(pem.path(), [secure.certificate(), downgrade.certificate()].concat()).unwrap();
    let case = Case::with(&[("PLATEN_CA_FILE", pem.path().to_str().unwrap())]);
    all_refused(&case, &registry.host(), 9, "ssrf.blocked");
    all_refused(&case, &format!("https://{}", secure.host()), 3, "ssrf.blocked");
    let base = format!("https://{}", downgrade.host());
    case.refuses_from(&format!("{base}/own/x:1"), &[], "ssrf.blocked");
    case.refuses_from(&format!("{base}/other/x:1"), &[], "ssrf.blocked");
    trap.assert_untouched();
    case.nothing_is_left();
}

#[test]
fn n106_redirects_to_private_places() {
    let trap = Trap::start();
    let mut places =
        vec!["file:///etc/passwd".to_owned(), "ftp://example.com/".to_owned(), format!("//{}/", trap.host())];
    places.extend(private(trap.port()));
    let count = places.len();
    // Manifests, blobs and tokens take turns, so that each is sent to all sorts of places.
    let registry = lying(shelf(), move |seen| {
        let (number, host) = (variant(seen), seen.header("host").unwrap());
        let place = &places[number % count];
        match (number + number / count) % 3 {
            0 if seen.path.contains("/manifests/") => Some(Answer::redirect(302, place)),
            1 if seen.path.contains("/blobs/") => Some(Answer::redirect(307, place)),
            2 if seen.path.starts_with("/v2/") => {
                Some(Answer::challenge(&format!("Bearer realm=\"http://{host}/token/n{number}/\"")))
            }
            2 => Some(Answer::redirect(302, place)),
            _ => None,
        }
    });
    let case = Case::start();
    all_refused(&case, &registry.host(), count + 6, "ssrf.blocked");
    trap.assert_untouched();
    // Around in a circle, and to nowhere.
    let circle = Standin::start(|seen| Answer::redirect(302, &format!("{}x", seen.path)));
    case.refuses_from(&format!("{}/demo/x:1", circle.host()), &[], "registry.error");
    assert_eq!(circle.seen().len(), 6);
    for lost in [Answer::new(302, ""), Answer::redirect(307, "http://"), Answer::redirect(308, "http://[")] {
        let lost = std::sync::Mutex::new(Some(lost));
        let nowhere =
            Standin::start(move |_| lost.lock().unwrap().take().unwrap_or_else(|| Answer::new(404, "")));
        case.refuses_from(&format!("{}/demo/x:1", nowhere.host()), &[], "registry.error");
    }
    case.nothing_is_left();
}
