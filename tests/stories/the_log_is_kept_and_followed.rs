//! Build logs: seen live on the bus, kept without gaps, followed and resumed exactly.

use std::process::Command;

use serde_json::Value;
use testkit::{Factory, Image, Registry};

#[test]
fn a_reader_that_comes_back_misses_nothing() {
    let (registry, factory) = (Registry::start(), Factory::start());
    let reference = registry.push(&Image::busybox(), "demo/busybox:1");
    let image = factory.import(&reference, &["--name", "logged"]);
    let id = image["id"].as_str().unwrap();
    let whole = factory.run(&["logs", "logged"]);
    assert!(whole.lines().count() >= 7, "{whole}");
    assert!(whole.contains("Pinned to sha256:") && whole.contains("Live: logged"), "{whole}");
    assert_eq!(factory.run(&["logs", "-f", id]), whole);
    let rest: String = whole.lines().skip(3).map(|l| format!("{l}\n")).collect();
    assert_eq!(factory.run(&["logs", id, "--from", "3"]), rest);
    // As a browser does: the id of the last event seen.
    let mut curl = Command::new("curl");
    curl.args(["-s", "-N", "-H", "last-event-id: 2", "-H"]);
    curl.arg(format!("authorization: Bearer {}", factory.env("PLATEN_API_KEY")));
    let stream = testkit::tools::run(
        curl.arg(format!("{}/v1/images/{id}/build-log?follow=true", factory.env("PLATEN_URL"))),
    );
    let lines: Vec<Value> = stream
        .split("\n\n")
        .filter(|event| event.contains("event: line"))
        .filter_map(|event| event.lines().find_map(|l| l.strip_prefix("data: ")))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let said: String = lines.iter().map(|l| format!("{}\n", l["line"].as_str().unwrap())).collect();
    assert_eq!(said, rest);
    assert_eq!(lines[0]["offset"], 3);
    assert!(stream.contains(r#"{"outcome":"live"}"#), "{stream}");
    let whole: Value = serde_json::from_str(&factory.run(&["logs", id, "-o", "json"])).unwrap();
    assert_eq!((&whole["closed"], &whole["outcome"]), (&Value::from(true), &Value::from("live")));
    let missing = factory.output(&["logs", "no-such-image"]);
    assert_eq!(missing.status.code(), Some(3));
}
