//! What is read, and what is refused with which code.

use super::*;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn manifest_json(extra: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,{extra}"config":{{"mediaType":"{OCI_CONFIG}","digest":"{D}","size":2}},
        "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{D}","size":7}}]}}"#
    )
}

fn code(text: &str) -> &'static str {
    Document::parse(text.as_bytes(), None).unwrap_err().code()
}

#[test]
fn a_manifest_is_read_with_or_without_its_type() {
    for extra in ["", &format!(r#""mediaType":"{OCI_MANIFEST}","#)] {
        let Document::Manifest(read) = Document::parse(manifest_json(extra).as_bytes(), None).unwrap() else {
            panic!()
        };
        assert_eq!((read.layers.len(), read.layers[0].size), (1, 7));
    }
}

#[test]
fn what_has_two_meanings_is_refused() {
    assert_eq!(code(&manifest_json(r#""manifests":[],"#)), "manifest.ambiguous");
    let text = manifest_json(&format!(r#""mediaType":"{OCI_MANIFEST}","#));
    let error = Document::parse(text.as_bytes(), Some(DOCKER_MANIFEST)).unwrap_err();
    assert_eq!(error.code(), "manifest.ambiguous");
    assert_eq!(code(&manifest_json(r#""schemaVersion":2,"#)), "manifest.invalid");
}

#[test]
fn what_is_no_image_is_refused() {
    for (text, expected) in [
        ("<html>log in</html>".to_owned(), "manifest.invalid"),
        ("\u{feff}{}".to_owned(), "manifest.invalid"),
        ("[".repeat(10_000), "manifest.invalid"),
        ("{}".to_owned(), "manifest.invalid"),
        (format!("{{\"a\":\"{}\"}}", "x".repeat(5 << 20)), "manifest.invalid"),
        (r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(), "manifest.unsupported"),
        (
            manifest_json("").replace(OCI_CONFIG, "application/vnd.cncf.helm.config.v1+json"),
            "manifest.unsupported",
        ),
        (manifest_json("").replace("tar+gzip", "tar+gzip+encrypted"), "manifest.unsupported"),
        (manifest_json("").replace("\"size\":7", "\"size\":-7"), "descriptor.size"),
        (manifest_json("").replace("\"size\":7", "\"size\":9223372036854775808"), "descriptor.size"),
        (manifest_json("").replace(D, "sha256:../../etc/passwd"), "digest.invalid"),
    ] {
        assert_eq!(code(&text), expected, "{}", text.chars().take(80).collect::<String>());
    }
}

#[test]
fn the_platform_is_chosen_and_attestations_are_none() {
    let entry = |os: &str, arch: &str, size: u32| {
        format!(
            r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{D}","size":{size},"platform":{{"os":"{os}","architecture":"{arch}"}}}}"#
        )
    };
    let entries =
        [entry("unknown", "unknown", 1), entry("linux", "amd64", 2), entry("linux", "arm64", 3)].join(",");
    let text = format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#);
    let Document::Index(index) = Document::parse(text.as_bytes(), Some(OCI_INDEX)).unwrap() else { panic!() };
    assert_eq!(index.select(&"linux/amd64".parse().unwrap()).unwrap().size, 2);
    assert_eq!(index.select(&"linux/arm64/v8".parse().unwrap()).unwrap().size, 3);
    let error = index.select(&"linux/s390x".parse().unwrap()).unwrap_err();
    assert_eq!(error.code(), "platform.missing");
    assert_eq!(
        error.to_string(),
        "The image is not there for linux/s390x; it is for: linux/amd64, linux/arm64."
    );
}

#[test]
fn a_config_names_every_layer() {
    let text =
        format!(r#"{{"os":"linux","architecture":"amd64","rootfs":{{"type":"layers","diff_ids":["{D}"]}}}}"#);
    assert_eq!(ImageConfig::parse(text.as_bytes(), 1).unwrap().platform.to_string(), "linux/amd64");
    assert_eq!(ImageConfig::parse(text.as_bytes(), 2).unwrap_err().code(), "config.mismatch");
    assert_eq!(ImageConfig::parse(b"{}", 0).unwrap_err().code(), "config.mismatch");
}
