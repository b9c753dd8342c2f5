//! Requests of clients that pull, beside CNCF Distribution's: the same image, the same wrk, one after the other.

use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;
use testkit::{Factory, Image, Registry};

use crate::figure;

const CONNECTIONS: u32 = 16;

pub(crate) fn run(time: Duration) {
    let (registry, factory) = (Registry::start(), Factory::start());
    let image = Image::new().layer(|l| l.file("etc/a", "the same for all")).layer(|l| l.file("app/b", "b"));
    let reference = registry.push(&image, "demo/tiny:1");
    let live = factory.import(&reference, &["--name", "mine"]);
    let source = live["source"]["identifier"].as_str().unwrap();
    let login = format!("any:{}", factory.env("PLATEN_API_KEY"));
    let basic = format!("authorization: Basic {}", base64::engine::general_purpose::STANDARD.encode(login));
    let ours = format!("http://{}/v2/{}/{source}", factory.host(), factory.env("PLATEN_HUB"));
    let theirs = format!("http://{}/v2/demo/tiny", registry.host());
    // The registry holds what was pushed; ours is the flat image of it. Both are asked by tag, then by digest.
    let manifest = manifest(&registry.host());
    let (our_blob, their_blob) = (flat_config(&ours, &basic), manifest.1);
    let digest = live["digest"].as_str().unwrap();
    let cases = [
        ("manifest by tag", "GET", "manifests/mine".to_owned(), "manifests/1".to_owned()),
        ("manifest by digest", "GET", format!("manifests/{digest}"), format!("manifests/{}", manifest.0)),
        ("blob of a config", "GET", format!("blobs/{our_blob}"), format!("blobs/{their_blob}")),
    ];
    for (what, method, our, their) in cases {
        let mine = wrk(time, method, &format!("{ours}/{our}"), &basic);
        let peer = wrk(time, method, &format!("{theirs}/{their}"), "x-none: 1");
        println!(
            "{method} {what}: Platen {:.0} a second (p99 {}), Distribution {:.0} (p99 {}): {:.1} times",
            mine.0,
            mine.1,
            peer.0,
            peer.1,
            mine.0 / peer.0
        );
        let name = what.replace(' ', "-");
        figure(&format!("pulls.{name}.rate"), mine.0, "1/s", &format!("{:.0} (CNCF Distribution)", peer.0));
        figure(&format!("pulls.{name}.ratio"), mine.0 / peer.0, "times", "5");
    }
}

/// Digests of the registry's manifest and of its config.
fn manifest(host: &str) -> (String, String) {
    let kind = "accept: application/vnd.oci.image.manifest.v1+json\r\n";
    let body = crate::http::Client::to(host, kind).send("GET", "/v2/demo/tiny/manifests/1", "", &[]).body;
    (testkit::image::digest(&body), config_of(&body))
}

fn flat_config(ours: &str, basic: &str) -> String {
    let (host, path) = ours.trim_start_matches("http://").split_once('/').unwrap();
    let mut client = crate::http::Client::to(host, &format!("{basic}\r\n"));
    config_of(&client.send("GET", &format!("/{path}/manifests/mine"), "", &[]).body)
}

fn config_of(manifest: &[u8]) -> String {
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    manifest["config"]["digest"].as_str().unwrap().to_owned()
}

/// Requests a second, and the 99th percentile as wrk prints it. Every answer must be 200.
fn wrk(time: Duration, method: &str, url: &str, header: &str) -> (f64, String) {
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), format!("wrk.method = \"{method}\"\n")).unwrap();
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}s", time.as_secs()), "--latency", "-s"]);
    wrk.arg(script.path()).args(["-H", "accept: application/vnd.oci.image.manifest.v1+json", "-H", header]);
    let said = testkit::tools::run(wrk.arg(url));
    assert!(!said.contains("Non-2xx"), "not every answer was right:\n{said}");
    let after = |name: &str| {
        let line = said.lines().find(|l| l.trim_start().starts_with(name)).expect("wrk says so");
        line.split_whitespace().last().unwrap().to_owned()
    };
    (after("Requests/sec:").parse().unwrap(), after("99%"))
}
