//! 108: registries that ask for patience, or for a pass without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use testkit::tools;

use super::*;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Asks for an import, and waits until it waits: the image, and in how many seconds it will be tried again.
fn waits(case: &Case, source: &str) -> (Value, u64) {
    let asked = case.factory.run(&["import", source, "--no-wait", "-q", "-o", "json"]);
    let asked: Value = serde_json::from_str(&asked).unwrap();
    let id = asked["id"].as_str().unwrap();
    let began = Instant::now();
    loop {
        let image = case.factory.image(id);
        // The short pauses of a failure without a wish are not what is looked for.
        let at = image["state"]["retry_at"].as_str().map(seconds).map(|at| at.saturating_sub(now()));
        if let Some(wait) = at.filter(|wait| *wait > 20) {
            return (image, wait);
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it does not wait: {image:#}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Seconds since 1970 of an RFC 3339 time.
fn seconds(time: &str) -> u64 {
    let said = tools::run(std::process::Command::new("date").args(["-d", time, "+%s"]));
    said.trim().parse().unwrap()
}

fn http_date(ahead: u64) -> String {
    let at = format!("@{}", now() + ahead);
    let format = "+%a, %d %b %Y %H:%M:%S GMT";
    let mut date = std::process::Command::new("date");
    tools::run(date.env("LC_ALL", "C").args(["-u", "-d", &at, format])).trim().to_owned()
}

fn task(case: &Case, image: &Value, action: &str) {
    let url = format!("{}/v1/images/{}/tasks", case.factory.env("PLATEN_URL"), image["id"].as_str().unwrap());
    let mut curl = std::process::Command::new("curl");
    curl.args(["-sf", "-X", "POST", "-H", "content-type: application/json"]);
    curl.args(["-H", &format!("authorization: Bearer {}", case.factory.env("PLATEN_API_KEY"))]);
    tools::run(curl.arg("--data-binary").arg(format!("{{\"action\":\"{action}\"}}")).arg(url));
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn n108_waits_and_loops() {
    let case = Case::start();
    let open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&open);
    let wishes = [
        "3600".to_owned(),
        http_date(7200),
        "99999999999".to_owned(),
        http_date(40 * 86_400),
        "soon".to_owned(),
    ];
    let told = wishes.clone();
    let limited = lying(shelf(), move |seen| {
        let closed = |status: u16, wish: &str| Some(Answer::new(status, "").header("retry-after", wish));
        match variant(seen) {
            _ if opened.load(Ordering::SeqCst) => None,
            // In the factory's stage rather than the resolver's: of the blobs only the layer has a limit.
            8 if seen.path.contains(&layer()) => closed(429, "3600"),
            8 => None,
            9 => closed(503, "3600"),
            number => closed(429, told.get(number).map_or("0", String::as_str)),
        }
    });
    let source = |number: usize| format!("{}/n{number}/x:1", limited.host());
    let asked = |number: usize| limited.asked(&format!("/n{number}/x/manifests/1"));
    let within = |wait: u64, wanted: u64| (wanted - 60..=wanted + 2).contains(&wait);
    // A wish is kept, up to a day, and costs one request.
    let mut waiting = Vec::new();
    for (number, wanted) in [(0, 3600), (1, 7200), (2, 86_400), (3, 86_400), (8, 3600), (9, 3600)] {
        let (image, wait) = waits(&case, &source(number));
        assert!(within(wait, wanted), "{number}: {wait}");
        assert_eq!(
            (&image["state"]["current"], &image["state"]["importing"]),
            (&Value::from("new"), &Value::from(true))
        );
        assert!(image["state"]["error"].is_null());
        assert_eq!(asked(number), 1, "{number}");
        waiting.push(image);
    }
    assert_eq!(limited.asked(&format!("/n8/x/blobs/{}", layer())), 1);
    // Nonsense is no wish: a minute, after a few tries.
    let (image, wait) = waits(&case, &source(4));
    assert!(within(wait, 60) && asked(4) == 3, "{wait}");
    waiting.push(image);
    // It is told in the log and in the list.
    let log = case.factory.run(&["logs", waiting[0]["id"].as_str().unwrap()]);
    assert!(log.contains("registry.rate_limited") && log.contains("The next attempt begins at 2"), "{log}");
    assert!(case.factory.run(&["images"]).contains("new (again at 2"));
    // Calling off, or trying at once, does not wait.
    let retried = waiting.remove(0);
    for image in &waiting {
        task(&case, image, "cancel");
        let state = &case.factory.image(image["id"].as_str().unwrap())["state"];
        assert_eq!(
            (&state["error"]["code"], &state["importing"]),
            (&"import.cancelled".into(), &false.into()),
            "{state}"
        );
    }
    case.nothing_is_left();
    // Without a wish, or with the wish for none, there is an end, and soon; so is there to asking who we are.
    let storm = lying(shelf(), |seen| match variant(seen) {
        0 => Some(Answer::new(429, "").header("retry-after", "0")),
        1 => Some(Answer::new(503, "")),
        2 => Some(Answer::new(500, "").header("retry-after", "-1")),
        3 if seen.path.contains("/blobs/") => Some(Answer::new(503, "").header("retry-after", "0")),
        4 if seen.path.starts_with("/token") => Some(Answer::new(200, "{\"token\":\"t\"}")),
        4 => {
            let realm = format!("http://{}/token/n4/x", seen.header("host").unwrap());
            Some(Answer::challenge(&format!("Bearer realm=\"{realm}\",service=\"s\"")))
        }
        5 => Some(Answer::challenge("Basic realm=\"again\"")),
        _ => None,
    });
    thread::scope(|scope| {
        for (number, code, cause) in [
            (0, "attempts.exhausted", "registry.rate_limited"),
            (1, "attempts.exhausted", "registry.error"),
            (2, "attempts.exhausted", "registry.error"),
            (3, "attempts.exhausted", "registry.error"),
            (4, "registry.denied", ""),
            (5, "registry.denied", ""),
        ] {
            let (case, source) = (&case, format!("{}/n{number}/x:1", storm.host()));
            scope.spawn(move || {
                let image = case.refuses_from(&source, &[], code);
                assert!(image["state"]["error"]["message"].as_str().unwrap().contains(cause), "{image:#}");
            });
        }
    });
    for number in 0..4 {
        let requests = storm.asked(&format!("/n{number}/"));
        assert!((15..=5 * 4).contains(&requests), "{number}: {requests}");
    }
    assert_eq!((storm.asked("/v2/n4/"), storm.asked("/token/n4/"), storm.asked("/v2/n5/")), (2, 1, 1));
    case.nothing_is_left();
    open.store(true, Ordering::SeqCst);
    task(&case, &retried, "retry");
    let id = retried["id"].as_str().unwrap();
    until("the retried import goes live", || case.factory.image(id)["state"]["current"] == "live");
    case.something_lives();
}

fn layer() -> String {
    shelf().manifest("1")["layers"][0]["digest"].as_str().unwrap().to_owned()
}
