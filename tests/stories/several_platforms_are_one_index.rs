//! An index comes in, and one flat index goes out: for each platform the file system it had.

use std::fs;

use embedded::Program;
use serde_json::Value;
use testkit::image::{multi_platform, tar_of};
use testkit::{Factory, Image, Registry, tools, tree};

fn image(architecture: &str) -> Image {
    Image::new()
        .platform("linux", architecture)
        .layer(|l| l.dir("etc").file("etc/shared", "the same everywhere").file("etc/gone", "x"))
        .layer(|l| l.file("etc/arch", architecture).whiteout("etc/gone").link("etc/again", "etc/shared"))
}

fn three() -> Vec<Image> {
    // What BuildKit adds about an image is listed like an image for a platform of this name.
    vec![image("amd64"), image("arm64"), image("unknown").platform("unknown", "unknown")]
}

#[test]
fn all_platforms_of_an_index_are_flat() {
    let (registry, factory) = (Registry::start(), Factory::start());
    let files = multi_platform(&three());
    let reference = registry.push_layout(&files, "demo/multi:1");
    // The umoci that Debian has does not read zstd.
    let import =
        |source: &str, platforms| factory.import(source, &["--codec", "gzip", "--platform", platforms]);
    let live = import(&reference, "all");
    assert_eq!(live["platforms"], serde_json::json!(["linux/amd64", "linux/arm64"]));
    assert_eq!(live["flat"]["certificate"], live["flat"]["verified"]);
    let log = factory.run(&["logs", live["id"].as_str().unwrap()]);
    assert!(log.contains("Passed over sha256:"), "{log}");

    let pull = live["pull"].as_str().unwrap();
    let dir = tempfile::tempdir().unwrap();
    for architecture in ["amd64", "arm64"] {
        let (flat, whole) = (dir.path().join(format!("flat-{architecture}")), dir.path().join(architecture));
        let mut skopeo = tools::command(Program::Skopeo);
        skopeo.args(["--override-arch", architecture, "copy", "--quiet", "--insecure-policy"]);
        skopeo
            .arg("--src-tls-verify=false")
            .arg(format!("--src-creds=any:{}", factory.env("PLATEN_API_KEY")));
        tools::run(skopeo.arg(format!("docker://{pull}")).arg(format!("oci:{}:latest", flat.display())));
        testkit::image::write_dir(&image(architecture).layout(), &whole).unwrap();
        let unpack = |layout: &std::path::Path| {
            let to = layout.with_extension("root");
            tree::listing(&tree::unpack(layout, &to), &[])
        };
        assert_eq!(unpack(&flat), unpack(&whole), "{architecture}");
    }

    // One platform of it: what the other import made is known, and its manifest is the very same.
    let one = import(&reference, "linux/arm64");
    assert_eq!(one["digest"], live["flat"]["platforms"][1]["digest"]);
    assert_eq!(one["flat"]["platforms"][0]["known"], true);
    let list = import(&reference, "linux/arm64,linux/amd64");
    assert_eq!(list["platforms"], serde_json::json!(["linux/arm64", "linux/amd64"]));
    assert_eq!(list["flat"]["bytes_new"], 0);
    let (_, said) = factory.import_fails(&reference, &["--platform", "linux/amd64,linux/s390x"]);
    assert!(said.contains("platform.missing") && said.contains("linux/arm64"), "{said}");

    // From an archive the same.
    let archive = dir.path().join("multi.tar");
    fs::write(&archive, tar_of(&files)).unwrap();
    let uploaded = import(&archive.to_string_lossy(), "all");
    let diff_ids = |image: &Value| {
        let each = image["flat"]["platforms"].as_array().unwrap().iter();
        each.map(|p| (p["platform"].clone(), p["diff_id"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(diff_ids(&uploaded), diff_ids(&live));
    factory.run(&["verify", live["id"].as_str().unwrap()]);

    // Two layers of one image that share chunks are counted once, in and out.
    crate::assert_sound(&factory);
    factory.run(&["prune", "--min-age", "0s"]);
    crate::until("nothing is used", || {
        let storage: Value = serde_json::from_str(&factory.run(&["storage", "-o", "json"])).unwrap();
        (storage["used"] == 0).then_some(())
    });
    crate::until("all are deleted", || {
        (factory.run(&["images", "--state", "deleting", "-o", "name"]).trim().is_empty()).then_some(())
    });
    crate::assert_sound(&factory);
}
