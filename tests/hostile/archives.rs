//! 113 and 114: uploaded archives.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::Image;
use testkit::image::{Packing, pack, tar_of};
use testkit::raw::{self, file, symlink};

use crate::case::{Case, lines};

type Files = BTreeMap<String, Vec<u8>>;

fn small() -> Image {
    Image::new().layer(|l| l.file("a", "1"))
}

fn refused(case: &Case, archive: &[u8], code: &str) {
    case.refuses_from(&case.archive(archive), &[], code);
}

/// The files of `docker save`, their `manifest.json` changed.
fn saved(change: impl FnOnce(&mut Value)) -> Files {
    let mut files = small().docker_save();
    let mut manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    change(&mut manifest);
    files.insert("manifest.json".to_owned(), manifest.to_string().into_bytes());
    files
}

/// A layout, its `index.json` changed.
fn layout(change: impl FnOnce(&mut Value)) -> Files {
    let mut files = small().layout();
    let mut index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    change(&mut index);
    files.insert("index.json".to_owned(), index.to_string().into_bytes());
    files
}

/// The tar of files, one of them something else.
fn with(files: &Files, name: &str, entry: &[u8]) -> Vec<u8> {
    let parts = files.iter().map(|(n, bytes)| if n == name { entry.to_vec() } else { file(n, bytes) });
    raw::tar(&parts.collect::<Vec<_>>())
}

#[test]
fn n113_hostile_outputs_of_docker_save() {
    let case = Case::start();
    for path in ["../../etc/passwd", "/etc/passwd", "0/../../x"] {
        refused(&case, &tar_of(&saved(|m| m[0]["Config"] = json!(path))), "archive.path");
        refused(&case, &tar_of(&saved(|m| m[0]["Layers"] = json!([path]))), "archive.path");
    }
    let files = small().docker_save();
    let layer = "0/layer.tar";
    for target in ["/etc/passwd", "../../../etc/passwd", "../../etc/shadow"] {
        refused(&case, &with(&files, layer, &symlink(layer, target)), "archive.path");
        refused(&case, &with(&files, "config.json", &symlink("config.json", target)), "archive.path");
    }
    refused(&case, &with(&files, layer, &symlink(layer, "layer.tar")), "archive.invalid");
    refused(&case, &with(&files, layer, &symlink(layer, "none")), "archive.invalid");
    refused(
        &case,
        &with(&files, layer, &raw::Header::new(layer, b'3').device(1, 3).block()),
        "archive.invalid",
    );
    refused(&case, &with(&files, layer, &[]), "archive.invalid");
    refused(&case, &with(&files, "config.json", &[]), "archive.invalid");
    refused(
        &case,
        &[with(&files, "", &[])[..files_end(&files)].to_vec(), file("manifest.json", "[]"), raw::end()]
            .concat(),
        "archive.ambiguous",
    );
    // Two images, and no name to choose by.
    let two = saved(|m| {
        let mut other = m[0].clone();
        other["RepoTags"] = json!(["demo:2"]);
        other["Config"] = json!("other.json");
        m.as_array_mut().unwrap().push(other);
    });
    let mut config: Value = serde_json::from_slice(&two["config.json"]).unwrap();
    config["author"] = json!("another");
    let mut two = two;
    two.insert("other.json".to_owned(), config.to_string().into_bytes());
    refused(&case, &tar_of(&two), "archive.ambiguous");
    for text in ["", "[]", "{}", "[{}]", "[[[", "null", "[{\"Config\":7}]"] {
        let mut files = files.clone();
        files.insert("manifest.json".to_owned(), text.as_bytes().to_vec());
        refused(&case, &tar_of(&files), "archive.invalid");
    }
    let deep = "[".repeat(1_000_000);
    refused(&case, &with(&files, "manifest.json", &file("manifest.json", deep)), "archive.invalid");
    // As Docker wrote a layer that two images share.
    let mut shared = files.clone();
    let bytes = shared.remove(layer).unwrap();
    let linked = raw::tar(&[
        file("x/layer.tar", bytes),
        symlink(layer, "../x/layer.tar"),
        file("config.json", &shared["config.json"]),
        file("manifest.json", &shared["manifest.json"]),
    ]);
    let live = case.live_from(&case.archive(&linked), &[]);
    assert_eq!(lines(&case.served(&live)), ["a=1"]);
}

/// Where the files of an archive end and its end begins.
fn files_end(files: &Files) -> usize {
    with(files, "", &[]).len() - 1024
}

#[test]
fn n113_a_gigabyte_of_manifest() {
    let case = Case::start();
    let head = raw::Header::new("manifest.json", b'0').size(1 << 30).block();
    let blanks = vec![b' '; 64 << 20];
    let packed = [
        pack(&head, Packing::Zstd),
        pack(&blanks, Packing::Zstd).repeat(16),
        pack(&raw::end(), Packing::Zstd),
    ]
    .concat();
    refused(&case, &packed, "archive.invalid");
}

#[test]
fn n114_hostile_layouts() {
    let case = Case::start();
    let blob = |files: &Files, is: fn(&[u8]) -> bool| -> String {
        files.iter().find(|(name, bytes)| name.starts_with("blobs/") && is(bytes)).unwrap().0.clone()
    };
    let is_gzip: fn(&[u8]) -> bool = |bytes| bytes.starts_with(&[0x1f, 0x8b]);
    let is_manifest: fn(&[u8]) -> bool = |bytes| bytes.starts_with(b"{\"schemaVersion\"");
    let is_config: fn(&[u8]) -> bool = |bytes| bytes.starts_with(b"{\"created\"");
    let files = small().layout();
    for is in [is_gzip, is_manifest, is_config] {
        let name = blob(&files, is);
        let mut changed = files.clone();
        // The same size, another content.
        let bytes = changed.get_mut(&name).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        refused(&case, &tar_of(&changed), "digest.mismatch");
        let mut missing = files.clone();
        missing.remove(&name);
        refused(&case, &tar_of(&missing), "archive.invalid");
        for target in ["/etc/passwd", "../../../../etc/passwd"] {
            refused(&case, &with(&files, &name, &symlink(&name, target)), "archive.path");
        }
    }
    // A layer that is whole, but not the one that was named.
    let other = Image::new().layer(|l| l.file("a", "2")).layout();
    let mut changed = files.clone();
    let bytes = other[&blob(&other, is_gzip)].clone();
    assert_eq!(bytes.len(), files[&blob(&files, is_gzip)].len());
    changed.insert(blob(&files, is_gzip), bytes);
    refused(&case, &tar_of(&changed), "digest.mismatch");
    for digest in [
        "sha256:../../../../etc/passwd",
        "sha256:/etc/passwd",
        "../x",
        "sha256:",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "",
    ] {
        refused(&case, &tar_of(&layout(|i| i["manifests"][0]["digest"] = json!(digest))), "digest.invalid");
    }
    for size in [json!(1), json!(u64::MAX), json!(-1), json!("5")] {
        let files = layout(|i| i["manifests"][0]["size"] = size.clone());
        let (image, said) = case.factory.import_fails(&case.archive(&tar_of(&files)), &[]);
        let code = image["state"]["error"]["code"].as_str().unwrap();
        assert!(["descriptor.size", "manifest.invalid"].contains(&code), "{size}: {said}");
    }
    let outside = layout(|i| i["manifests"][0]["urls"] = json!(["file:///etc/passwd"]));
    case.live_from(&case.archive(&tar_of(&outside)), &[]);
}
