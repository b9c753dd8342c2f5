//! Many small imports at once all go live. `PLATEN_TEST_IMPORTS=200` for the whole of it; the times are printed.

use std::time::Duration;

use serde_json::Value;
use testkit::{Factory, Image, Registry};

#[test]
fn none_is_lost_and_none_is_doubled() {
    let count: usize = std::env::var("PLATEN_TEST_IMPORTS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let (registry, factory) = (Registry::start(), Factory::start());
    let reference =
        registry.push(&Image::new().layer(|l| l.file("a", "a")).layer(|l| l.file("b", "b")), "demo/tiny:1");
    factory.import(&reference, &[]);
    let source = factory.run(&["sources", "-o", "name"]).trim().to_owned();
    let (url, key) = (factory.env("PLATEN_URL"), factory.env("PLATEN_API_KEY"));
    let dir = tempfile::tempdir().unwrap();
    let body = dir.path().join("body");
    std::fs::write(&body, format!(r#"{{"source_id":"{source}","import":true}}"#)).unwrap();
    let mut curl = std::process::Command::new("curl");
    curl.args(["-s", "-Z", "--parallel-max", "16", "-H", "content-type: application/json", "-H"]);
    curl.arg(format!("authorization: Bearer {key}")).arg("--data-binary").arg(format!("@{}", body.display()));
    for number in 0..count {
        curl.arg("-o").arg(dir.path().join(number.to_string())).arg(format!("{url}/v1/images"));
    }
    testkit::tools::run(&mut curl);
    let all = crate::until("all are live", || {
        let all: Vec<Value> =
            serde_json::from_str(&factory.run(&["images", "-o", "json", "--limit", "500"])).unwrap();
        all.iter().all(|i| i["state"]["current"] == "live").then_some(all)
    });
    assert_eq!(all.len(), count + 1);
    let mut times: Vec<Duration> = all.iter().map(from_request_to_live).collect();
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!("{count} imports at once, request to live: median {:?}, p99 {:?}", at(0.5), at(0.99));
    crate::assert_sound(&factory);
}

fn from_request_to_live(image: &Value) -> Duration {
    let at = |name: &str| {
        let text = image["events"][name].as_str().unwrap();
        let (_, time) = text.trim_end_matches('Z').split_once('T').unwrap();
        let mut parts = time.split(':').map(|p| p.parse::<f64>().unwrap());
        parts.next().unwrap() * 3600.0 + parts.next().unwrap() * 60.0 + parts.next().unwrap()
    };
    // Midnight between the two is another day.
    Duration::from_secs_f64((at("live") - at("requested")).rem_euclid(86_400.0))
}
