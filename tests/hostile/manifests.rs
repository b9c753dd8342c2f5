//! 95 to 104: what a registry says an image consists of.

use serde_json::{Value, json};
use testkit::image::{digest, multi_platform, noise};
use testkit::{Answer, Image, Shelf, Standin, Trap};

use crate::case::Case;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A small image; its layer is random enough that wrong bytes are nonsense at once.
fn small() -> Image {
    Image::new().layer(|l| l.dir("d").file("d/a", noise(40_000)))
}

fn shelf() -> Shelf {
    Shelf::new().image("1", &small())
}

/// The image's manifest with changes, and the shelf it is on, as `2`.
fn changed(change: impl FnOnce(&mut Value)) -> Shelf {
    let mut shelf = shelf();
    let mut manifest = shelf.manifest("1");
    change(&mut manifest);
    shelf.document("2", MANIFEST, manifest.to_string());
    shelf
}

fn serve(shelf: Shelf) -> Standin {
    Standin::start(move |seen| shelf.answer(seen))
}

fn refuses(case: &Case, shelf: Shelf, code: &str) -> String {
    let registry = serve(shelf);
    let image = case.refuses_from(&format!("{}/demo/x:2", registry.host()), &[], code);
    image["state"]["error"]["message"].as_str().unwrap().to_owned()
}

fn layer_digest(shelf: &Shelf) -> String {
    shelf.manifest("1")["layers"][0]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn n095_bytes_that_are_not_their_digest() {
    let case = Case::start();
    // A layer of other bytes, as many: nonsense at once, nonsense in the middle, and a whole other layer.
    let layer = layer_digest(&shelf());
    let good = shelf().bytes(&layer).to_vec();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 0xff;
    let mut tail = good.clone();
    *tail.last_mut().unwrap() ^= 0xff;
    let nonsense = vec![0x1f; good.len()];
    for bytes in [flipped, tail, nonsense] {
        let mut shelf = changed(|_| {});
        shelf.put(&layer, None, bytes);
        let said = refuses(&case, shelf, "digest.mismatch");
        assert!(said.contains(&layer), "{said}");
    }
    // A config of other bytes, as many.
    let mut other = changed(|_| {});
    let config = other.manifest("1")["config"]["digest"].as_str().unwrap().to_owned();
    let text = String::from_utf8(other.bytes(&config).to_vec()).unwrap().replace("2026", "2027");
    other.put(&config, None, text);
    refuses(&case, other, "digest.mismatch");
    // A manifest asked for by digest.
    let mut other = changed(|_| {});
    let wanted = digest(b"another manifest");
    other.put(&wanted, Some(MANIFEST), other.manifest("1").to_string());
    let registry = serve(other);
    case.refuses_from(&format!("{}/demo/x@{wanted}", registry.host()), &[], "digest.mismatch");
    // A header that lies about a tag; and one that is no digest.
    for (header, code) in [(wanted.as_str(), "digest.mismatch"), ("sha256:../../x", "digest.invalid")] {
        let (honest, header) = (changed(|_| {}), header.to_owned());
        let registry = Standin::start(move |seen| match seen.path.ends_with("/manifests/2") {
            true => {
                honest.answer(seen).without("docker-content-digest").header("docker-content-digest", &header)
            }
            false => honest.answer(seen),
        });
        case.refuses_from(&format!("{}/demo/x:2", registry.host()), &[], code);
    }
    case.nothing_is_left();
}

#[test]
fn n096_sizes_that_are_wrong() {
    let case = Case::start();
    let real = shelf().bytes(&layer_digest(&shelf())).len() as u64;
    for size in [json!(real - 1), json!(real + 1), json!(-1), json!(1u64 << 63), json!(u64::MAX), json!(1.5)]
    {
        refuses(&case, changed(|m| m["layers"][0]["size"] = size), "descriptor.size");
    }
    refuses(&case, changed(|m| m["config"]["size"] = json!(1)), "descriptor.size");
    refuses(&case, changed(|m| m["config"]["size"] = json!(5 << 20)), "config.invalid");
    // No length is promised, and the bytes do not end where the layer does.
    let (honest, layer) = (changed(|_| {}), layer_digest(&shelf()));
    let registry = Standin::start(move |seen| match seen.path.ends_with(&layer) {
        true => {
            let more = [honest.bytes(&layer), &[0; 100_000]].concat();
            Answer::new(200, more).endless()
        }
        false => honest.answer(seen),
    });
    case.refuses_from(&format!("{}/demo/x:2", registry.host()), &[], "descriptor.size");
    // Lengths that no reader can make sense of end as what they are: not HTTP.
    for length in ["-1", "18446744073709551616", "5, 6", "x"] {
        let (honest, layer) = (changed(|_| {}), layer_digest(&shelf()));
        let registry = Standin::start(move |seen| match seen.path.ends_with(&layer) {
            true => honest.answer(seen).length(length),
            false => honest.answer(seen),
        });
        case.refuses_from(&format!("{}/demo/x:2", registry.host()), &[], "registry.error");
        assert_eq!(
            registry.asked("/blobs/sha256:"),
            2,
            "the config is asked for once, and the layer: {length}"
        );
    }
    case.nothing_is_left();
}

#[test]
fn n097_a_config_that_does_not_fit() {
    let case = Case::start();
    let with_config = |change: &dyn Fn(&mut Value)| {
        let mut shelf = shelf();
        let mut manifest = shelf.manifest("1");
        let mut config: Value =
            serde_json::from_slice(shelf.bytes(manifest["config"]["digest"].as_str().unwrap())).unwrap();
        change(&mut config);
        let text = config.to_string();
        manifest["config"]["size"] = json!(text.len());
        manifest["config"]["digest"] = json!(shelf.blob(text));
        shelf.document("2", MANIFEST, manifest.to_string());
        shelf
    };
    let wrong = digest(b"another tar");
    refuses(&case, with_config(&|c| c["rootfs"]["diff_ids"] = json!([wrong])), "config.mismatch");
    refuses(&case, with_config(&|c| c["rootfs"]["diff_ids"] = json!([])), "config.mismatch");
    refuses(&case, with_config(&|c| c["rootfs"]["diff_ids"] = json!([wrong, wrong])), "config.mismatch");
    refuses(&case, with_config(&|c| c["rootfs"] = json!(null)), "config.invalid");
    refuses(&case, changed(|m| m["config"]["mediaType"] = json!("application/json")), "config.mismatch");
    refuses(&case, changed(|m| m["config"]["mediaType"] = json!(LAYER)), "config.mismatch");
    case.nothing_is_left();
}

#[test]
fn n098_documents_of_two_kinds() {
    let case = Case::start();
    let said = refuses(&case, changed(|m| m["manifests"] = json!([])), "manifest.ambiguous");
    assert!(said.contains("layers") && said.contains("manifests"), "{said}");
    refuses(&case, changed(|m| m["mediaType"] = json!(INDEX)), "manifest.ambiguous");
    for kind in [INDEX, "application/vnd.docker.distribution.manifest.v2+json"] {
        let mut other = shelf();
        other.document("2", kind, other.manifest("1").to_string());
        refuses(&case, other, "manifest.ambiguous");
    }
    // What Go's decoder would take for `manifests`.
    refuses(&case, changed(|m| m["Manifests"] = json!([])), "manifest.invalid");
    case.nothing_is_left();
}

#[test]
fn n099_digests_that_are_none() {
    let case = Case::start();
    let layer = layer_digest(&shelf());
    for text in [
        "sha256:../../x".to_owned(),
        "sha256:..%2f..%2fx".to_owned(),
        layer.to_uppercase(),
        layer.replace("sha256:", "SHA256:"),
        layer.to_uppercase().replace("SHA256", "sha256"),
        "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709".to_owned(),
        "md5:d41d8cd98f00b204e9800998ecf8427e".to_owned(),
        layer[..layer.len() - 1].to_owned(),
        format!("{layer}0"),
        layer.replace("sha256:", "sha512:"),
        String::new(),
    ] {
        let said = refuses(&case, changed(|m| m["layers"][0]["digest"] = json!(text)), "digest.invalid");
        assert!(!said.contains('\n'), "{said}");
    }
    refuses(&case, changed(|m| m["config"]["digest"] = json!("sha256:/etc/passwd")), "digest.invalid");
    case.nothing_is_left();
    // The other registered algorithm is one.
    let mut shelf = shelf();
    let mut manifest = shelf.manifest("1");
    for part in ["/layers/0", "/config"] {
        let part = manifest.pointer_mut(part).unwrap();
        let bytes = shelf.bytes(part["digest"].as_str().unwrap()).to_vec();
        let name = format!("sha512:{}", hex::encode(<sha2::Sha512 as sha2::Digest>::digest(&bytes)));
        shelf.put(&name, None, bytes);
        part["digest"] = json!(name);
    }
    shelf.document("2", MANIFEST, manifest.to_string());
    let registry = serve(shelf);
    case.live_from(&format!("{}/demo/x:2", registry.host()), &[]);
}

#[test]
fn n100_json_that_readers_would_differ_on() {
    let case = Case::start();
    let good = shelf().manifest("1").to_string();
    let within = |extra: &str| good.replacen('{', &format!("{{{extra},"), 1).into_bytes();
    let deep = format!("\"x\":{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_objects = format!("\"x\":{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let utf16 =
        |bom: &str| -> Vec<u8> { format!("{bom}{good}").encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let mut large = good.clone().into_bytes();
    large.resize(5 << 20, b' ');
    for (bytes, word) in [
        (within("\"layers\":[]"), "twice"),
        (within("\"x\":{\"a\":1,\"\\u0061\":2}"), "twice"),
        (within(&deep), "nested"),
        (within(&deep_objects), "nested"),
        (within("\"x\":NaN"), "column"),
        (within("\"x\":1e999999"), ""),
        ([b"\xef\xbb\xbf", good.as_bytes()].concat(), "byte order mark"),
        (utf16("\u{feff}"), "byte order mark"),
        (utf16(""), ""),
        (within("\"x\":\"\u{1}\""), ""),
        (good.as_bytes()[..good.len() - 1].to_vec(), ""),
        ([good.as_bytes(), b"{}"].concat(), "trailing"),
        (large, "larger than"),
        (Vec::new(), ""),
    ] {
        let mut shelf = shelf();
        shelf.document("2", MANIFEST, bytes);
        let said = refuses(&case, shelf, "manifest.invalid");
        assert!(said.contains(word), "{said} should speak of {word}");
    }
    // The same of a config.
    for bytes in [within("\"os\":\"linux\",\"os\":\"linux\""), within(&deep), utf16("\u{feff}")] {
        let mut shelf = shelf();
        let mut manifest = shelf.manifest("1");
        manifest["config"]["size"] = json!(bytes.len());
        manifest["config"]["digest"] = json!(shelf.blob(bytes));
        shelf.document("2", MANIFEST, manifest.to_string());
        refuses(&case, shelf, "config.invalid");
    }
    // Of a manifest that never ends no more is read than the limit.
    let registry = Standin::start(|_| {
        Answer::raw(|write| {
            write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"x\":\"")?;
            loop {
                write(&[b'a'; 64 << 10])?;
            }
        })
    });
    case.refuses_from(&format!("{}/demo/x:2", registry.host()), &[], "manifest.invalid");
    case.nothing_is_left();
}

#[test]
fn n101_what_is_no_image() {
    let case = Case::start();
    let of = |kind: &str, document: Value| {
        let mut shelf = shelf();
        shelf.document("2", kind, document.to_string());
        refuses(&case, shelf, "manifest.unsupported")
    };
    let schema1 = json!({"schemaVersion": 1, "name": "a", "tag": "1", "fsLayers": [], "history": []});
    for kind in ["application/vnd.docker.distribution.manifest.v1+prettyjws", "application/json"] {
        assert!(of(kind, schema1.clone()).contains("schema 1"));
    }
    let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2});
    let said = of(
        MANIFEST,
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.example.sbom",
            "config": empty, "layers": []}),
    );
    assert!(said.contains("no file system") && said.contains("application/vnd.example.sbom"), "{said}");
    let said = refuses(
        &case,
        changed(|m| m["layers"][0]["mediaType"] = json!(format!("{LAYER}+gzip+encrypted"))),
        "manifest.unsupported",
    );
    assert!(said.contains("encrypted"), "{said}");
    for kind in ["application/vnd.dev.cosign.simplesigning.v1+json", "application/vnd.in-toto+json"] {
        let said =
            refuses(&case, changed(|m| m["layers"][0]["mediaType"] = json!(kind)), "manifest.unsupported");
        assert!(said.contains("artifact") && said.contains(kind), "{said}");
    }
    let helm = "application/vnd.cncf.helm.config.v1+json";
    refuses(&case, changed(|m| m["config"]["mediaType"] = json!(helm)), "manifest.unsupported");
    case.nothing_is_left();
}

/// An entry of an index.
fn entry(kind: &str, digest: &str, size: usize) -> Value {
    json!({"mediaType": kind, "digest": digest, "size": size})
}

fn index(entries: &[Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string()
}

#[test]
fn n102_indexes_without_end_or_answer() {
    let case = Case::start();
    // Three deep. Two are as many as there may be.
    let mut shelf = shelf();
    let mut inner = entry(MANIFEST, shelf.pinned("1"), shelf.bytes(shelf.pinned("1")).len());
    for depth in 1..=3 {
        let text = index(&[inner]);
        inner = entry(INDEX, &shelf.document(&depth.to_string(), INDEX, text.clone()), text.len());
    }
    let registry = serve(shelf.clone());
    case.refuses_from(&format!("{}/demo/x:3", registry.host()), &[], "index.nested");
    // Its own digest: only a registry that lies can serve that.
    let own = digest(b"an index that lists itself");
    let text = index(&[entry(INDEX, &own, 1)]);
    let mut circle = Shelf::new();
    circle.document("2", INDEX, text.clone());
    circle.put(&own, Some(INDEX), text);
    refuses(&case, circle, "digest.mismatch");
    // Nothing for this machine, and no images at all.
    let others = [small().platform("linux", "s390x"), small().platform("windows", "amd64")];
    let said = refuses(&case, Shelf::new().layout("2", &multi_platform(&others)), "platform.missing");
    assert!(said.contains("linux/s390x") && said.contains("windows/amd64"), "{said}");
    let mut none = Shelf::new();
    none.document("2", INDEX, index(&[]));
    assert!(refuses(&case, none, "platform.missing").contains("nothing"));
    // Too many.
    let many: Vec<Value> = (0..10_001).map(|n: u32| entry(MANIFEST, &digest(&n.to_le_bytes()), 1)).collect();
    let mut crowd = Shelf::new();
    crowd.document("2", INDEX, index(&many));
    assert!(refuses(&case, crowd, "index.too_large").contains("10001"));
    // As many as may be, none of which says what it is for: not all of them are tried.
    let mut maze = Shelf::new().image("1", &small().platform("linux", "s390x"));
    let wrong = entry(MANIFEST, maze.pinned("1"), maze.bytes(maze.pinned("1")).len());
    maze.document("2", INDEX, index(&vec![wrong; 1000]));
    refuses(&case, maze, "index.too_large");
    case.nothing_is_left();
    case.live_from(&format!("{}/demo/x:2", registry.host()), &[]);
}

#[test]
fn n103_too_many_layers_and_one_twice() {
    let case = Case::start();
    let layer = shelf().manifest("1")["layers"][0].clone();
    let said = refuses(
        &case,
        changed(|m| m["layers"] = json!(vec![layer.clone(); 300])),
        "manifest.too_many_layers",
    );
    assert!(said.contains("300") && said.contains("256"), "{said}");
    case.nothing_is_left();
    let twice = |l: testkit::image::Layer| l.file("a", "the same");
    let registry = serve(Shelf::new().image("2", &Image::new().layer(twice).layer(twice)));
    let image = case.live_from(&format!("{}/demo/x:2", registry.host()), &[]);
    assert_eq!(image["flat"]["layers_in"], 2);
    assert_eq!(case.served(&image).keys().collect::<Vec<_>>(), [b"a"]);
}

#[test]
fn n104_layers_from_elsewhere() {
    let case = Case::start();
    let trap = Trap::start();
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let urls = json!([format!("http://{}/layer", trap.host()), "http://169.254.169.254/"]);
    let make = |kind: Option<&str>, urls: &Value| {
        changed(|m| {
            if let Some(kind) = kind {
                m["layers"][0]["mediaType"] = json!(kind);
            }
            m["layers"][0]["urls"] = urls.clone();
        })
    };
    for kind in [Some(foreign), Some("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"), None] {
        let (shelf, layer) = (make(kind, &urls), layer_digest(&shelf()));
        let registry = Standin::start(move |seen| match seen.path.ends_with(&layer) {
            true => Answer::new(404, ""),
            false => shelf.answer(seen),
        });
        case.refuses_from(&format!("{}/demo/x:2", registry.host()), &[], "layer.foreign");
    }
    case.nothing_is_left();
    let registry = serve(make(Some(foreign), &urls));
    case.live_from(&format!("{}/demo/x:2", registry.host()), &[]);
    trap.assert_untouched();
}
