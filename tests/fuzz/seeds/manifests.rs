//! Documents, and layouts made of them; references and the like.

use crate::joined;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

fn descriptor(kind: &str, part: usize, more: &str) -> String {
    format!(r##"{{"mediaType":"{kind}","digest":"@{part}","size":"#{part}"{more}}}"##)
}

fn index(kind: &str, entries: &[String]) -> String {
    format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","manifests":[{}]}}"#, entries.join(","))
}

fn config(architecture: &str) -> String {
    let zeros = "0".repeat(64);
    format!(
        r#"{{"os":"linux","architecture":"{architecture}","config":{{"Cmd":["sh"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{zeros}"]}},"history":[{{}}]}}"#
    )
}

/// Part 0 is a layer, 1 a config, 2 its manifest.
fn image(docker: bool, architecture: &str) -> Vec<String> {
    let (kind, config_kind, layer) =
        if docker { (DOCKER, DOCKER_CONFIG, DOCKER_LAYER) } else { (MANIFEST, CONFIG, LAYER) };
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{},"layers":[{}],"annotations":{{"a":"b"}}}}"#,
        descriptor(config_kind, 1, ""),
        descriptor(layer, 0, "")
    );
    vec!["layer".to_owned(), config(architecture), manifest]
}

fn platform(architecture: &str, variant: &str) -> String {
    let variant = if variant.is_empty() { String::new() } else { format!(r#","variant":"{variant}""#) };
    format!(r#","platform":{{"os":"linux","architecture":"{architecture}"{variant}}}"#)
}

/// Inputs of `manifest`.
pub(crate) fn manifests() -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for docker in [false, true] {
        let (list, kind) = if docker { (DOCKER_INDEX, DOCKER) } else { (INDEX, MANIFEST) };
        for (architecture, variant) in
            [("amd64", ""), ("arm", "v7"), ("arm", "v6"), ("s390x", ""), ("unknown", "")]
        {
            let mut parts = image(docker, architecture);
            let about = platform(architecture, variant);
            parts.push(index(list, &[descriptor(kind, 2, &about)]));
            found.push(parts.clone());
            // An index in an index, the second with a name and an attestation beside the image.
            let attested = r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#;
            let entries = [descriptor(list, 3, ""), descriptor(kind, 2, attested)];
            parts.push(index(list, &entries));
            found.push(parts.clone());
            let named = r#","annotations":{"org.opencontainers.image.ref.name":"latest"}"#;
            parts.push(index(INDEX, &[descriptor(list, 4, named)]));
            found.push(parts);
        }
    }
    let single = |text: &str| vec![text.to_owned()];
    found.extend([
        single("{}"),
        single(""),
        single("null"),
        single(r#"{"schemaVersion":1,"name":"a","fsLayers":[{"blobSum":"sha256:00"}]}"#),
        single(r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#),
        single(r#"{"schemaVersion":2,"schemaVersion":2,"manifests":[]}"#),
        single(&format!("{}{}", "[".repeat(400), "]".repeat(400))),
        single("\u{feff}{}"),
        vec![
            "x".to_owned(),
            index(INDEX, &[descriptor(MANIFEST, 0, r#","urls":["http://x"],"data":"eA==""#)]),
        ],
        vec![
            "x".to_owned(),
            r#"{"schemaVersion":2,"manifests":[{"digest":"sha256:../../x","size":-1}]}"#.to_owned(),
        ],
    ]);
    found
        .into_iter()
        .map(|parts| joined(&parts.into_iter().map(String::into_bytes).collect::<Vec<_>>()))
        .collect()
}

/// Inputs of `reference`.
pub(crate) fn references() -> Vec<Vec<u8>> {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let mut found: Vec<String> = [
        "nginx",
        "nginx:1.29",
        "library/nginx",
        "docker.io/library/nginx:latest",
        "ghcr.io/a/b-c/d_e:v1.2.3-x_y",
        "localhost:5000/a",
        "127.0.0.1:5000/a/b:c",
        "[::1]:5000/a",
        "example.com:99999/a",
        "UPPER/case",
        "a//b",
        "../x",
        "a/../b",
        "a:",
        ":a",
        "a@sha256:00",
        "a b",
        "linux/arm64/v8",
        "linux/amd64",
        "windows",
        "xn--bcher-kva.example/a",
        "bücher.example/a",
        "a\nhttp://127.0.0.1:5000",
        "a/b:c\nhttps://user:pass@registry.example/path?q#f",
        "http://a/b",
    ]
    .map(str::to_owned)
    .to_vec();
    found.extend([
        digest.clone(),
        format!("a/b@{digest}"),
        format!("h:1/a:t@{digest}"),
        format!("sha512:{}", "f".repeat(128)),
    ]);
    found.push("a/".repeat(130) + "x");
    found.into_iter().map(String::into_bytes).collect()
}
