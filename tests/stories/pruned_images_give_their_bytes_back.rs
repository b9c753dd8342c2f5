//! Prune chooses unused images, tells what it frees, and the store is smaller afterwards; shared bytes stay.

use std::path::Path;

use serde_json::Value;
use testkit::{Factory, Image, Registry};

fn stored(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|e| if e.path().is_dir() { stored(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) })
        .sum()
}

fn status(factory: &Factory, source: &str, reference: &str) -> String {
    let url = format!(
        "{}/v2/{}/{source}/manifests/{reference}",
        factory.env("PLATEN_URL"),
        factory.env("PLATEN_HUB")
    );
    let mut curl = std::process::Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-u"])
        .arg(format!("any:{}", factory.env("PLATEN_API_KEY")));
    testkit::tools::run(curl.arg(url))
}

#[test]
fn what_nobody_uses_goes() {
    let (registry, factory) = (Registry::start(), Factory::start());
    let base = Image::busybox();
    let one = registry.push(&base.clone().layer(|l| l.file("one", "1".repeat(400_000))), "demo/app:1");
    let two = registry.push(&base.layer(|l| l.file("two", "2".repeat(400_000))), "demo/app:2");
    let one = factory.import(&one, &[]);
    let two = factory.import(&two, &[]);
    let (one_new, two_new) =
        (one["flat"]["bytes_new"].as_u64().unwrap(), two["flat"]["bytes_new"].as_u64().unwrap());
    assert!(two_new * 5 < one_new, "the base is stored once: {one_new} then {two_new}");
    // Young images stay.
    let report: Value = serde_json::from_str(&factory.run(&["prune", "-o", "json"])).unwrap();
    assert_eq!(report["images"].as_array().unwrap().len(), 0);
    let source = two["source"]["identifier"].as_str().unwrap();
    let only = ["prune", "--min-age", "0s", "--source", source, "-o", "json"];
    let manifest = two["digest"].as_str().unwrap();
    let answers = [status(&factory, source, "latest"), status(&factory, source, manifest)];
    assert_eq!(answers, ["200", "200"]);
    let dry: Value = serde_json::from_str(&factory.run(&[&only[..], &["--dry-run"]].concat())).unwrap();
    let done: Value = serde_json::from_str(&factory.run(&only)).unwrap();
    // From then on it is not served, to nobody and by no name.
    let answers = [status(&factory, source, "latest"), status(&factory, source, manifest)];
    assert_eq!(answers, ["404", "404"]);
    assert_eq!((&dry["images"], &dry["bytes_freed"]), (&done["images"], &done["bytes_freed"]));
    assert_eq!(done["images"][0]["id"], two["id"]);
    assert!(done["bytes_freed"].as_u64().unwrap() <= two_new);
    crate::until("it is deleted", || (factory.image(two["id"].as_str().unwrap()).is_null()).then_some(()));
    // The other is whole, although it shares.
    let dir = tempfile::tempdir().unwrap();
    factory.skopeo_pull(one["pull"].as_str().unwrap(), &dir.path().join("one"));
    crate::assert_sound(&factory);
    factory.run(&["prune", "--min-age", "0s"]);
    crate::until("the store is empty", || (stored(&factory.dir().join("store/packs")) == 0).then_some(()));
    let storage: Value = serde_json::from_str(&factory.run(&["storage", "-o", "json"])).unwrap();
    assert_eq!(storage["used"], 0);
    crate::assert_sound(&factory);
}
