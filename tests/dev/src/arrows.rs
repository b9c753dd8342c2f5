//! The arrows of the house point one way: who may depend on whom, read from `cargo metadata`.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::{cargo, root};

const SERVICES: [&str; 7] = ["api", "resolver", "factory", "distributor", "pruner", "logbook", "platen"];

/// What each room may know of the house.
fn may(room: &str) -> Option<&'static [&'static str]> {
    Some(match room {
        "model" => &[],
        "oci" | "db" | "bus" | "pipelines" => &["model"],
        "store" | "embedded" => &[],
        "flatten" => &["oci", "store", "model"],
        "build" => &["oci", "model"],
        "chassis" => &["model", "oci", "db", "bus"],
        "testkit" => &["embedded"],
        "dev" => &["embedded"],
        _ => return None,
    })
}

/// Which room alone may know a heavy dependency.
const FENCED: [(&str, &[&str]); 3] =
    [("sqlx", &["db"]), ("async-nats", &["bus", "tests"]), ("object_store", &["store"])];

pub(crate) fn check() -> Result<()> {
    let output =
        cargo(&root()?).args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata.get("packages").and_then(Value::as_array).cloned().unwrap_or_default();
    let name = |value: &Value| value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let house: BTreeSet<String> = packages.iter().map(name).collect();
    let mut wrong = Vec::new();
    for package in &packages {
        let room = name(package);
        for dependency in package.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            let other = name(dependency);
            if let Some((_, rooms)) = FENCED.iter().find(|(fenced, _)| *fenced == other)
                && !rooms.contains(&room.as_str())
            {
                wrong.push(format!("{room} -> {other}"));
            }
            // Tests may look at anything that is not a service.
            let dev = dependency.get("kind").is_some_and(|kind| kind == "dev");
            let service = SERVICES.contains(&other.as_str());
            let allowed = match may(&room) {
                Some(allowed) => allowed.contains(&other.as_str()),
                None => !service || room == "platen",
            };
            if house.contains(&other) && !allowed && (service || !dev) {
                wrong.push(format!("{room} -> {other}"));
            }
        }
    }
    if !wrong.is_empty() {
        bail!("these arrows point the wrong way: {}", wrong.join(", "));
    }
    Ok(())
}
