use serde_json::{Value, json};

use super::*;
use crate::manifest::ImageConfig;
use crate::manifest::media_type::*;

fn descriptor(media_type: &str, content: &str) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(content.as_bytes()), "size": content.len() })
}

fn image() -> Value {
    json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, "config"),
        "layers": [descriptor(&format!("{OCI_LAYER}+gzip"), "one"), descriptor(OCI_LAYER, "two")],
    })
}

/// The plain image with some fields replaced, or removed where null.
fn with(changes: Value) -> Value {
    let mut value = image();
    let fields = value.as_object_mut().unwrap();
    for (key, change) in changes.as_object().unwrap() {
        if change.is_null() {
            fields.remove(key)
        } else {
            fields.insert(key.clone(), change.clone())
        };
    }
    value
}

fn parse(value: &Value, content_type: Option<&str>) -> Result<Document, ManifestError> {
    Document::parse(value.to_string().into(), content_type)
}

#[test]
fn an_image_is_read_with_its_digest() {
    let raw = image().to_string();
    let Document::Manifest(manifest) = Document::parse(raw.clone().into(), Some(OCI_MANIFEST)).unwrap()
    else {
        panic!("a manifest")
    };
    assert_eq!(manifest.digest, Digest::of(raw.as_bytes()));
    assert_eq!(manifest.layers.len(), 2);
    assert_eq!(manifest.config.digest, Digest::of(b"config"));
}

#[test]
fn real_variations_pass() {
    let docker = with(json!({
        "mediaType": DOCKER_MANIFEST, "config": descriptor(DOCKER_CONFIG, "c"),
        "layers": [descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", "l")],
    }));
    let twice = with(json!({"layers": [descriptor(OCI_LAYER, "l"), descriptor(OCI_LAYER, "l")]}));
    let zstd = with(json!({"layers": [descriptor(&format!("{OCI_LAYER}+zstd"), "l")]}));
    let unnamed = with(json!({"mediaType": null}));
    for (value, content_type, named) in [
        (&docker, Some(DOCKER_MANIFEST), DOCKER_MANIFEST),
        (&unnamed, Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"), OCI_MANIFEST),
        (&unnamed, None, OCI_MANIFEST),
        (&image(), Some("application/json"), OCI_MANIFEST),
        (&twice, None, OCI_MANIFEST),
        (&zstd, None, OCI_MANIFEST),
    ] {
        let Document::Manifest(m) = parse(value, content_type).unwrap() else { panic!("a manifest") };
        assert_eq!(m.media_type, named);
    }
}

#[test]
fn every_refusal_has_its_code() {
    let sized = |size: Value| {
        with(json!({"layers": [{"mediaType": OCI_LAYER, "digest": Digest::of(b""), "size": size}]}))
    };
    let typed = |name: &str| with(json!({"layers": [descriptor(name, "l")]}));
    let config = |name: &str| with(json!({"config": descriptor(name, "c")}));
    let digest = |text: &str| with(json!({"layers": [{"mediaType": OCI_LAYER, "digest": text, "size": 1}]}));
    let many: Vec<Value> = (0..300).map(|n| descriptor(OCI_LAYER, &n.to_string())).collect();
    let entries: Vec<Value> = (0..1001).map(|n| descriptor(OCI_MANIFEST, &n.to_string())).collect();
    let huge = json!({"schemaVersion": 2, "manifests": entries});
    for (value, code) in [
        (with(json!({"manifests": []})), "manifest.ambiguous"),
        (with(json!({"mediaType": OCI_INDEX})), "manifest.ambiguous"),
        (with(json!({"mediaType": DOCKER_MANIFEST})), "manifest.ambiguous"),
        (with(json!({"mediaType": "application/vnd.acme.thing"})), "manifest.unsupported"),
        (with(json!({"schemaVersion": 1})), "manifest.unsupported"),
        (with(json!({"schemaVersion": null, "fsLayers": []})), "manifest.unsupported"),
        (with(json!({"schemaVersion": "2"})), "manifest.invalid"),
        (with(json!({"layers": []})), "manifest.unsupported"),
        (with(json!({"layers": {}})), "manifest.invalid"),
        (with(json!({"layers": many})), "manifest.too_many_layers"),
        (with(json!({"layers": null, "config": null})), "manifest.invalid"),
        (with(json!({"config": null})), "manifest.invalid"),
        (sized(json!(-1)), "descriptor.size"),
        (sized(json!(1u64 << 63)), "descriptor.size"),
        (sized(json!(1.5)), "descriptor.size"),
        (sized(json!("1")), "manifest.invalid"),
        (typed(&format!("{OCI_LAYER}+gzip+encrypted")), "manifest.unsupported"),
        (typed(&format!("{OCI_LAYER}+xz")), "layer.media_type"),
        (typed("application/vnd.dev.cosign.simplesigning.v1+json"), "manifest.unsupported"),
        (typed("application/vnd.in-toto+json"), "manifest.unsupported"),
        (config("application/vnd.cncf.helm.config.v1+json"), "manifest.unsupported"),
        (config("application/json"), "config.mismatch"),
        (config(OCI_LAYER), "config.mismatch"),
        (digest("sha256:../../x"), "digest.invalid"),
        (digest("sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"), "digest.invalid"),
        (huge, "index.too_large"),
    ] {
        let error =
            parse(&value, Some(OCI_MANIFEST).filter(|_| value["mediaType"] == DOCKER_MANIFEST)).unwrap_err();
        assert_eq!(error.code(), code, "{value}: {error}");
    }
    let page = Document::parse(Bytes::from_static(b"<html>login</html>"), Some("text/html")).unwrap_err();
    assert_eq!(page.code(), "manifest.invalid");
    let big = Document::parse(Bytes::from(vec![b' '; 5 << 20]), None).unwrap_err();
    assert_eq!(big.code(), "manifest.invalid");
    let signed = Document::parse(
        Bytes::from_static(b"{}"),
        Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
    );
    assert_eq!(signed.unwrap_err().code(), "manifest.unsupported");
}

#[test]
fn a_layer_from_elsewhere_is_known_as_such() {
    let mut value = with(json!({"layers": [
        descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "a"), descriptor(OCI_LAYER, "b"),
    ]}));
    value["layers"][1]["urls"] = json!(["http://169.254.169.254/"]);
    let Document::Manifest(m) = parse(&value, None).unwrap() else { panic!("a manifest") };
    assert!(m.layers.iter().all(Descriptor::is_foreign));
}

#[test]
fn configs_are_checked_against_manifest_and_platform() {
    let config = |value: Value| ImageConfig::parse(value.to_string().into());
    let good = config(json!({
        "os": "linux", "architecture": "arm64",
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(b"a")]},
        "config": {"Healthcheck": {"Test": ["NONE"]}},
    }))
    .unwrap();
    good.fits(1).unwrap();
    assert_eq!(good.fits(2).unwrap_err().code(), "config.mismatch");
    assert_eq!(good.platform.to_string(), "linux/arm64");
    for (value, code) in [
        (json!({}), "config.invalid"),
        (json!([]), "config.invalid"),
        (json!({"rootfs": {"type": "other", "diff_ids": []}}), "config.invalid"),
        (json!({"rootfs": {"type": "layers", "diff_ids": ["md5:1"]}}), "digest.invalid"),
    ] {
        assert_eq!(config(value).unwrap_err().code(), code);
    }
}
