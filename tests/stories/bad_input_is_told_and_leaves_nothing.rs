//! Every bad input has a stable code and a sentence, in API, CLI and log, and leaves nothing behind.

use std::fs;

use serde_json::Value;
use testkit::image::{digest, tar_of};
use testkit::registry::LOGIN;
use testkit::{Factory, Image, Registry};

fn small() -> Image {
    Image::new().layer(|l| l.dir("d").file("d/a", "a".repeat(5000)))
}

fn refused(factory: &Factory, source: &str, more: &[&str], code: &str, sentence: &str) -> Value {
    let (image, said) = factory.import_fails(source, more);
    assert_eq!(image["state"]["error"]["code"], code, "{said}");
    assert_eq!(image["state"]["current"], "new");
    assert!(said.contains(code) && said.contains(sentence), "{said}");
    let log = factory.run(&["logs", image["id"].as_str().unwrap()]);
    assert!(log.contains(code) && log.contains(sentence), "{log}");
    image
}

fn nothing_is_left(factory: &Factory) {
    let storage: Value = serde_json::from_str(&factory.run(&["storage", "-o", "json"])).unwrap();
    assert_eq!((&storage["used"], &storage["images"]), (&Value::from(0), &Value::from(0)), "{storage}");
    let packs = || walkdir(&factory.dir().join("store/packs"));
    crate::until("every pack is gone", || (packs() == 0).then_some(()));
    crate::until("every temporary file is gone", || (walkdir(&factory.dir().join("tmp")) == 0).then_some(()));
    crate::assert_sound(factory);
}

fn walkdir(dir: &std::path::Path) -> usize {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries.flatten().map(|e| if e.path().is_dir() { walkdir(&e.path()) } else { 1 }).sum()
}

#[test]
fn what_a_registry_does_not_give_is_told() {
    let (registry, factory) = (Registry::start(), Factory::start());
    let reference = registry.push(&small(), "demo/small:1");
    let host = registry.host();
    refused(&factory, &format!("{host}/demo/small:2"), &[], "registry.not_found", "was not found");
    refused(&factory, &format!("{host}/demo/none:1"), &[], "registry.not_found", "was not found");
    let other = registry.push(&small().platform("linux", "s390x"), "demo/other:1");
    refused(&factory, &other, &["--platform", "linux/amd64"], "platform.missing", "linux/s390x");
    // A blob that was changed on the registry's disk, and one that was cut.
    let layout = small().layout();
    let layer =
        layout.iter().filter(|(name, _)| name.starts_with("blobs/")).max_by_key(|(_, b)| b.len()).unwrap();
    let _ = layer;
    let manifest: Value = layout
        .iter()
        .filter(|(name, _)| name.starts_with("blobs/"))
        .find_map(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok().filter(|v| v["layers"].is_array()))
        .unwrap();
    let blob = registry.blob_file(manifest["layers"][0]["digest"].as_str().unwrap());
    let good = fs::read(&blob).unwrap();
    let mut changed = good.clone();
    let last = changed.len() - 12;
    changed[last] ^= 0xff;
    fs::write(&blob, &changed).unwrap();
    let (image, said) = factory.import_fails(&reference, &[]);
    let code = image["state"]["error"]["code"].as_str().unwrap().to_owned();
    assert!(["layer.decompress", "digest.mismatch"].contains(&code.as_str()), "{code}: {said}");
    fs::write(&blob, &good).unwrap();
    // And once it is whole again, the same shell takes it.
    let id = image["id"].as_str().unwrap();
    assert!(factory.import(&reference, &[])["id"] != id);
    factory.run(&["prune", "--min-age", "0s"]);
    nothing_is_left(&factory);
}

#[test]
fn wrong_credentials_are_told_and_right_ones_are_kept_secret() {
    let (registry, factory) = (Registry::with_login(), Factory::start());
    let reference = registry.push(&small(), "demo/private:1");
    let wrong = ["--registry-username", LOGIN.0, "--registry-password", "not-the-password"];
    refused(&factory, &reference, &[], "registry.denied", "needs credentials");
    refused(&factory, &reference, &wrong, "registry.unauthorized", "credentials");
    let right = ["--registry-username", LOGIN.0, "--registry-password", LOGIN.1];
    factory.import(&reference, &right);
    for said in [factory.run(&["sources", "-o", "json"]), factory.run(&["events", "-o", "json"])] {
        assert!(!said.contains(LOGIN.1) && !said.contains("not-the-password"), "{said}");
    }
    let log = fs::read_to_string(factory.dir().join("platen.log")).unwrap();
    assert!(!log.contains(LOGIN.1), "{log}");
}

#[test]
fn archives_that_are_none_are_told() {
    let factory = Factory::start();
    let dir = tempfile::tempdir().unwrap();
    let give = |name: &str, bytes: Vec<u8>| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    };
    let whole = tar_of(&small().layout());
    let cut = give("cut.tar", whole[..whole.len() / 2].to_vec());
    refused(&factory, &cut, &[], "archive.invalid", "image archive that can be read");
    refused(
        &factory,
        &give("text.tar", b"<html>log in</html>".to_vec()),
        &[],
        "archive.invalid",
        "image archive that can be read",
    );
    refused(
        &factory,
        &give("empty.tar", Vec::new()),
        &[],
        "archive.invalid",
        "image archive that can be read",
    );
    let mut lies = small().layout();
    for (name, bytes) in &mut lies {
        if name.starts_with("blobs/") && bytes.starts_with(&[0x1f, 0x8b]) {
            *bytes = testkit::image::pack(
                &small().layer(|l| l).layout()["index.json"],
                testkit::image::Packing::Gzip,
            );
        }
    }
    refused(&factory, &give("lies.tar", tar_of(&lies)), &[], "descriptor.size", "size");
    let not_tar = Image::new().raw_layer(b"this is no tar".repeat(100));
    refused(
        &factory,
        &give("not-tar.tar", tar_of(&not_tar.layout())),
        &[],
        "tar.invalid",
        "not a tar archive",
    );
    let mut escaping = small().docker_save();
    let text = String::from_utf8(escaping["manifest.json"].clone()).unwrap();
    let text = text.replace("config.json", "../../etc/passwd");
    escaping.insert("manifest.json".to_owned(), text.into_bytes());
    refused(&factory, &give("escaping.tar", tar_of(&escaping)), &[], "archive.path", "leads outside");
    assert_eq!(digest(b"").len(), 71);
    nothing_is_left(&factory);
}

#[test]
fn the_api_refuses_what_makes_no_sense() {
    let factory = Factory::start();
    let (url, key) = (factory.env("PLATEN_URL").to_owned(), factory.env("PLATEN_API_KEY").to_owned());
    let ask = |method: &str, path: &str, body: &str, key: Option<&str>| -> (u16, Value) {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-s", "-X", method, "-w", "\n%{http_code}", "-H", "content-type: application/json"]);
        if let Some(key) = key {
            curl.arg("-H").arg(format!("authorization: Bearer {key}"));
        }
        if !body.is_empty() {
            curl.arg("--data-binary").arg(body);
        }
        let said = testkit::tools::run(curl.arg(format!("{url}{path}")));
        let (body, status) = said.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
    };
    let key = Some(key.as_str());
    let hub = r#"{"name":"x","origin":{"type":"docker-hub","details":{"target":"A B"}}}"#;
    let no_scheme =
        r#"{"name":"x","origin":{"type":"oci-registry","details":{"target":"a","url":"r.example"}}}"#;
    for (method, path, body, key, status, code) in [
        ("GET", "/v1/images", "", None, 401, "401.auth"),
        ("GET", "/v1/images", "", Some("platen_x_y"), 401, "401.auth"),
        ("GET", "/v1/images/000000000000000000000000", "", key, 404, "404.image"),
        ("POST", "/v1/images", "{", key, 400, "400.invalid-json"),
        ("POST", "/v1/images", r#"{"source_id":"none"}"#, key, 404, "404.source"),
        ("POST", "/v1/images", r#"{"surprise":1}"#, key, 422, "422.invalid-argument"),
        ("POST", "/v1/images/sources", hub, key, 422, "422.invalid-argument"),
        ("POST", "/v1/images/sources", no_scheme, key, 422, "422.invalid-argument"),
        (
            "POST",
            "/v1/images/tasks",
            r#"{"action":"prune","contents":{"min_age":"soon"}}"#,
            key,
            422,
            "422.invalid-argument",
        ),
        ("GET", "/v1/images?page[size]=0", "", key, 422, "422.invalid-argument"),
        ("GET", "/nowhere", "", key, 404, "404.route"),
    ] {
        let path = path.replace('[', "%5B").replace(']', "%5D");
        let (got, answer) = ask(method, &path, body, key);
        assert_eq!(
            (got, answer["error"]["code"].as_str()),
            (status, Some(code)),
            "{method} {path}: {answer}"
        );
        assert!(answer["data"].is_null() && answer["error"]["detail"].as_str().unwrap().len() > 10);
    }
    let none = r#"{"name":"shell","origin":{"type":"none","details":{}}}"#;
    assert_eq!(ask("POST", "/v1/images/sources", none, key).0, 201);
    assert_eq!(ask("POST", "/v1/images/sources", none, key).0, 409);
    let (status, answer) = ask("POST", "/v1/images", r#"{"source_id":"shell","import":true}"#, key);
    assert_eq!((status, answer["error"]["code"].as_str()), (422, Some("422.invalid-input")));
    let large = tempfile::NamedTempFile::new().unwrap();
    fs::write(large.path(), format!("{{\"source_id\":\"{}\"}}", "x".repeat(2 << 20))).unwrap();
    assert_eq!(ask("POST", "/v1/images", &format!("@{}", large.path().display()), key).0, 413);
}
