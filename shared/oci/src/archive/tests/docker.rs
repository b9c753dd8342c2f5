use super::*;

const LAYERS: [&[u8]; 2] = [b"lower layer", b"upper layer"];

fn entry(config: &str, tags: &[&str], layers: &[&str]) -> Value {
    json!({"Config": config, "RepoTags": tags, "Layers": layers})
}

/// Adds a config under its id; its path.
fn config(files: &mut Files, architecture: &str, layers: &[&[u8]]) -> String {
    let json = config_json(architecture, layers);
    let path = format!("{}.json", Digest::of(json.as_bytes()).hex());
    files.add(&path, json);
    path
}

fn saved(entries: &[Value], add: impl FnOnce(&mut Files)) -> Files {
    let mut files = Files::default();
    add(&mut files);
    files.add("manifest.json", json!(entries).to_string());
    files
}

/// What `docker save app` wrote for years.
fn simple() -> Files {
    let mut files = Files::default();
    let config = config(&mut files, "amd64", &LAYERS);
    files.add("aaa/layer.tar", LAYERS[0]).add("bbb/layer.tar", LAYERS[1]);
    files.add(
        "manifest.json",
        json!([entry(&config, &["app:1"], &["aaa/layer.tar", "bbb/layer.tar"])]).to_string(),
    );
    files
}

fn select(files: &Files, name: Option<&str>) -> Result<Image, ArchiveError> {
    let bench = Bench::new();
    bench.open_files(files)?.select(&amd64(), name)
}

#[test]
fn a_saved_image_is_read() {
    let bench = Bench::new();
    let tar = simple().tar();
    let id = Digest::of(config_json("amd64", &LAYERS).as_bytes());
    for bytes in [tar.clone(), gzip(&tar), zstd(&tar)] {
        let archive = bench.open(&bench.file(&bytes)).unwrap();
        assert_eq!(archive.images()[0].names, ["app:1"]);
        let image = archive.select(&amd64(), None).unwrap();
        assert_eq!(image.source_digest, id);
        assert_eq!(layers(&image).unwrap(), LAYERS);
        assert_eq!(image.layers[0].digest, None);
        assert_eq!((image.layers[0].diff_id.clone(), image.layers[0].size), (Digest::of(LAYERS[0]), 11));
    }
    for name in ["app:1", "docker.io/library/app:1"] {
        assert!(select(&simple(), Some(name)).is_ok());
    }
    assert_eq!(select(&simple(), Some("app")).unwrap_err().code(), "archive.not_found");
}

#[test]
fn links_between_layers_are_followed_inside_the_archive() {
    let mut files = simple();
    files.remove("bbb/layer.tar").add("ccc/layer.tar", LAYERS[1]);
    files.link("bbb/layer.tar", EntryType::Symlink, "../ccc/layer.tar");
    assert_eq!(layers(&select(&files, None).unwrap()).unwrap(), LAYERS);
    files.remove("bbb/layer.tar").link("bbb/layer.tar", EntryType::Link, "ccc/layer.tar");
    assert_eq!(layers(&select(&files, None).unwrap()).unwrap(), LAYERS);
    for (to, code) in [
        ("../gone/layer.tar", "archive.invalid"),
        ("layer.tar", "archive.invalid"),
        ("../../../etc/passwd", "archive.path"),
        ("/etc/passwd", "archive.path"),
    ] {
        files.remove("bbb/layer.tar").link("bbb/layer.tar", EntryType::Symlink, to);
        assert_eq!(select(&files, None).unwrap_err().code(), code, "{to}");
    }
}

#[test]
fn a_manifest_cannot_lead_outside() {
    let out = "../../etc/passwd";
    let files = saved(&[entry(out, &[], &["l"])], |f| {
        f.add("l", "x");
    });
    assert_eq!(select(&files, None).unwrap_err().code(), "archive.path");
    let mut files = simple();
    let config = files.0[0].0.clone();
    for (layer, code) in
        [(out, "archive.path"), ("/etc/passwd", "archive.path"), ("absent", "archive.invalid")]
    {
        files.remove("manifest.json");
        files.add("manifest.json", json!([entry(&config, &[], &["aaa/layer.tar", layer])]).to_string());
        assert_eq!(select(&files, None).unwrap_err().code(), code, "{layer}");
    }
}

#[test]
fn a_malformed_manifest_is_refused() {
    for (json, code) in [
        ("[]".to_owned(), "archive.invalid"),
        ("{}".into(), "archive.invalid"),
        ("".into(), "archive.invalid"),
        (r#"[{"Config":"a","Config":"b","Layers":[]}]"#.into(), "archive.invalid"),
        (r#"[{"Config":"absent","Layers":[]}]"#.into(), "archive.invalid"),
        (" ".repeat(5 << 20), "archive.invalid"),
    ] {
        let mut files = simple();
        files.remove("manifest.json").add("manifest.json", &json);
        let shown = json.get(..30).unwrap_or(&json);
        assert_eq!(select(&files, None).unwrap_err().code(), code, "{shown}");
    }
}

#[test]
fn config_and_layers_must_fit() {
    let mut files = simple();
    let path = files.0[0].0.clone();
    files.remove("manifest.json");
    files.add("manifest.json", json!([entry(&path, &[], &["aaa/layer.tar"])]).to_string());
    assert_eq!(select(&files, None).unwrap_err().code(), "config.mismatch");
    let mut files = simple();
    files.remove(&path).add(&path, config_json("arm64", &LAYERS));
    assert_eq!(select(&files, None).unwrap_err().code(), "digest.mismatch");
    let files = saved(&[entry("c.json", &[], &[])], |f| {
        f.add("c.json", config_json("amd64", &[]));
    });
    assert_eq!(select(&files, None).unwrap_err().code(), "manifest.unsupported");
}

#[test]
fn of_several_images_one_must_be_named() {
    let mut files = Files::default();
    let a = config(&mut files, "amd64", &LAYERS[..1]);
    let b = config(&mut files, "amd64", &LAYERS[1..]);
    files.add("0.tar", LAYERS[0]).add("1.tar", LAYERS[1]);
    files.add(
        "manifest.json",
        json!([entry(&a, &["a:latest"], &["0.tar"]), entry(&b, &["b:1", "b:2"], &["1.tar"])]).to_string(),
    );
    let question = select(&files, None).unwrap_err();
    assert_eq!(question.code(), "archive.ambiguous");
    assert!(question.to_string().contains("a:latest, b:1, b:2"), "{question}");
    assert_eq!(layers(&select(&files, Some("a")).unwrap()).unwrap(), LAYERS[..1]);
    assert_eq!(layers(&select(&files, Some("b:2")).unwrap()).unwrap(), LAYERS[1..]);
}

#[test]
fn of_one_name_the_platform_decides() {
    let mut files = Files::default();
    let arm = config(&mut files, "arm64", &LAYERS[..1]);
    let amd = config(&mut files, "amd64", &LAYERS[1..]);
    files.add("0.tar", LAYERS[0]).add("1.tar", LAYERS[1]);
    let entries = [entry(&arm, &["a:1"], &["0.tar"]), entry(&amd, &["a:1"], &["1.tar"])];
    files.add("manifest.json", json!(entries).to_string());
    assert_eq!(layers(&select(&files, None).unwrap()).unwrap(), LAYERS[1..]);
    files.remove("manifest.json").add("manifest.json", json!(entries[..1]).to_string());
    let missing = select(&files, None).unwrap_err();
    assert_eq!(missing.code(), "platform.missing");
    assert!(missing.to_string().contains("linux/arm64"), "{missing}");
}

#[test]
fn layers_named_by_digest_are_held_to_it() {
    let path = format!("blobs/sha256/{}", Digest::of(LAYERS[0]).hex());
    let mut files = Files::default();
    let config = config(&mut files, "amd64", &LAYERS[..1]);
    files.add(&path, "other layer");
    files.add("manifest.json", json!([entry(&config, &[], &[&path])]).to_string());
    assert_eq!(layers(&select(&files, None).unwrap()).unwrap_err(), "digest.mismatch");
}
