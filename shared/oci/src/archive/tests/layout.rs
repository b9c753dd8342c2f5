use super::*;

const LAYERS: [&[u8]; 2] = [b"lower layer", b"upper layer"];

/// A manifest with its blobs; what it is for `index.json`.
fn image(files: &mut Files, architecture: &str, layers: &[&[u8]]) -> Value {
    let config = config_json(architecture, layers);
    let part = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()});
    let parts: Vec<Value> = layers.iter().map(|l| part(OCI_LAYER, l)).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": part(OCI_CONFIG, config.as_bytes()), "layers": parts,
    })
    .to_string();
    for content in [config.as_bytes(), manifest.as_bytes()].into_iter().chain(layers.iter().copied()) {
        let digest = Digest::of(content);
        files.remove(&format!("blobs/sha256/{}", digest.hex()));
        files.blob(content);
    }
    part(OCI_MANIFEST, manifest.as_bytes())
}

fn layout(files: &mut Files, entries: &[Value]) {
    files.remove("index.json").remove("oci-layout");
    files.add("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    files.add("index.json", json!({"schemaVersion": 2, "manifests": entries}).to_string());
}

fn simple() -> Files {
    let mut files = Files::default();
    let entry = image(&mut files, "amd64", &LAYERS);
    layout(&mut files, &[entry]);
    files
}

fn with(mut entry: Value, platform: Option<&str>, name: Option<&str>) -> Value {
    if let Some((os, architecture)) = platform.and_then(|p| p.split_once('/')) {
        entry["platform"] = json!({"os": os, "architecture": architecture});
    }
    if let Some(name) = name {
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    }
    entry
}

#[test]
fn every_form_of_a_layout_gives_the_same_image() {
    let bench = Bench::new();
    let files = simple();
    let tar = files.tar();
    let mut source = None;
    for path in [
        bench.directory(&files),
        bench.file(&tar),
        bench.file(&gzip(&tar)),
        bench.file(&[gzip(&tar[..1000]), gzip(&tar[1000..])].concat()),
        bench.file(&zstd(&tar)),
        bench.file(&[zstd(&tar[..1000]), zstd(&tar[1000..])].concat()),
    ] {
        let found = bench.open(&path).unwrap().select(&amd64(), None).unwrap();
        assert_eq!(layers(&found).unwrap(), LAYERS);
        assert_eq!(found.layers[1].diff_id, Digest::of(LAYERS[1]));
        assert_eq!(found.config, config_json("amd64", &LAYERS));
        assert_eq!(found.platform, amd64());
        assert_eq!(*source.get_or_insert(found.source_digest.clone()), found.source_digest);
    }
    let left = std::fs::read_dir(bench.root.path()).unwrap().count();
    assert_eq!(left, 2, "the layout and the archive, no temporary file");
}

#[test]
fn a_layer_can_be_read_twice_and_side_by_side() {
    let bench = Bench::new();
    let found = bench.open_files(&simple()).unwrap().select(&amd64(), None).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let image = found.clone();
            std::thread::spawn(move || layers(&image).unwrap())
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), LAYERS);
    }
}

#[test]
fn platforms_are_chosen_through_a_nested_index() {
    let bench = Bench::new();
    let mut files = Files::default();
    let entries: Vec<Value> = [("amd64", &LAYERS[..1]), ("arm64", &LAYERS[1..])]
        .iter()
        .map(|(a, l)| with(image(&mut files, a, l), Some(&format!("linux/{a}")), None))
        .collect();
    // Directly in index.json, and through an index of its own.
    let nested = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
    let digest = files.blob(&nested);
    for tops in [entries, vec![json!({"mediaType": OCI_INDEX, "digest": digest, "size": nested.len()})]] {
        layout(&mut files, &tops);
        let archive = bench.open_files(&files).unwrap();
        assert_eq!(layers(&archive.select(&amd64(), None).unwrap()).unwrap(), LAYERS[..1]);
        let arm = archive.select(&"linux/arm64/v8".parse().unwrap(), None).unwrap();
        assert_eq!(layers(&arm).unwrap(), LAYERS[1..]);
        let missing = archive.select(&"linux/s390x".parse().unwrap(), None).unwrap_err();
        assert_eq!(missing.code(), "platform.missing");
        assert!(missing.to_string().contains("linux/amd64, linux/arm64"), "{missing}");
    }
}

#[test]
fn of_several_images_one_must_be_named() {
    let bench = Bench::new();
    let mut files = Files::default();
    let [a, b] = [&LAYERS[..1], &LAYERS[1..]].map(|l| image(&mut files, "amd64", l));
    layout(
        &mut files,
        &[
            with(a.clone(), None, Some("docker.io/library/a:latest")),
            with(a.clone(), None, Some("a:2")),
            with(b.clone(), None, Some("b")),
        ],
    );
    let archive = bench.open_files(&files).unwrap();
    let names: Vec<Vec<String>> = archive.images().into_iter().map(|i| i.names).collect();
    assert_eq!(names, [vec!["docker.io/library/a:latest".to_owned(), "a:2".into()], vec!["b".into()]]);
    let question = archive.select(&amd64(), None).unwrap_err();
    assert_eq!(question.code(), "archive.ambiguous");
    assert!(question.to_string().contains("a:2, b, docker.io/library/a:latest"), "{question}");
    for (name, layer) in [("a", LAYERS[0]), ("a:2", LAYERS[0]), ("b", LAYERS[1])] {
        assert_eq!(layers(&archive.select(&amd64(), Some(name)).unwrap()).unwrap(), [layer], "{name}");
    }
    assert_eq!(archive.select(&amd64(), Some("c")).unwrap_err().code(), "archive.not_found");

    // Two names for one image are no question, two images without a name are.
    layout(&mut files, &[with(a.clone(), None, Some("x")), with(a.clone(), None, Some("y"))]);
    assert!(bench.open_files(&files).unwrap().select(&amd64(), None).is_ok());
    layout(&mut files, &[a, b]);
    assert_eq!(
        bench.open_files(&files).unwrap().select(&amd64(), None).unwrap_err().code(),
        "archive.ambiguous"
    );
}

#[test]
fn what_does_not_fit_its_name_is_refused() {
    let bench = Bench::new();
    let path = |content: &[u8]| format!("blobs/sha256/{}", Digest::of(content).hex());
    let config = config_json("amd64", &LAYERS);
    let select = |files: &Files| bench.open_files(files).and_then(|a| a.select(&amd64(), None));

    let mut files = simple();
    files.remove(&path(LAYERS[1])).add(&path(LAYERS[1]), b"other layer");
    assert_eq!(layers(&select(&files).unwrap()).unwrap_err(), "digest.mismatch");
    files.remove(&path(LAYERS[1])).add(&path(LAYERS[1]), b"longer than it should be");
    assert_eq!(select(&files).unwrap_err().code(), "descriptor.size");
    files.remove(&path(LAYERS[1]));
    assert_eq!(select(&files).unwrap_err().code(), "archive.invalid");

    let mut files = simple();
    let changed = config.replace("linux", "minix");
    files.remove(&path(config.as_bytes())).add(&path(config.as_bytes()), changed);
    assert_eq!(select(&files).unwrap_err().code(), "digest.mismatch");

    for (entry, code) in [
        (
            json!({"mediaType": OCI_MANIFEST, "digest": "sha256:../../../etc/passwd", "size": 1}),
            "digest.invalid",
        ),
        (json!({"mediaType": OCI_MANIFEST, "digest": Digest::of(b"absent"), "size": 1}), "archive.invalid"),
        (json!({"mediaType": OCI_MANIFEST, "digest": Digest::of(b""), "size": -1}), "descriptor.size"),
    ] {
        let mut files = simple();
        layout(&mut files, &[entry]);
        assert_eq!(select(&files).unwrap_err().code(), code);
    }
    for (marker, code) in
        [("{}", "archive.invalid"), (r#"{"imageLayoutVersion":"2.0.0"}"#, "archive.unsupported")]
    {
        let mut files = simple();
        files.remove("oci-layout").add("oci-layout", marker);
        assert_eq!(select(&files).unwrap_err().code(), code);
    }
}

#[test]
fn a_directory_is_not_left_through_its_links() {
    let bench = Bench::new();
    let files = simple();
    let root = bench.directory(&files);
    let blob = root.join(format!("blobs/sha256/{}", Digest::of(LAYERS[0]).hex()));
    let outside = bench.root.path().join("secret");
    std::fs::write(&outside, LAYERS[0]).unwrap();
    std::fs::remove_file(&blob).unwrap();
    std::os::unix::fs::symlink(&outside, &blob).unwrap();
    let error = bench.open(&root).unwrap().select(&amd64(), None).unwrap_err();
    assert_eq!(error.code(), "archive.path");
    // A link that stays inside does what links do.
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(root.join("elsewhere"), LAYERS[0]).unwrap();
    std::os::unix::fs::symlink("../../elsewhere", &blob).unwrap();
    assert_eq!(layers(&bench.open(&root).unwrap().select(&amd64(), None).unwrap()).unwrap(), LAYERS);
}
