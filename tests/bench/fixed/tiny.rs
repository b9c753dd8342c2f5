//! Tiny images: two layers of one small file each. They are pushed straight to a registry, without a program for each.

use serde_json::json;
use testkit::{Factory, Image, Registry};

use crate::http::Client;

/// Pushes one that no other is like; its reference.
pub(crate) fn push(registry: &Registry, client: &mut Client, number: u64) -> String {
    let one = format!("this is file number {number}\n");
    let image = Image::new().layer(|l| l.file("etc/a", "the same for all")).layer(|l| l.file("app/b", &one));
    let files = image.layout();
    let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let manifest = index["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
    let name = format!("bench/tiny-{number}");
    for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with("blobs/")) {
        let digest = path.trim_start_matches("blobs/");
        if digest == manifest {
            continue;
        }
        let begun = client.send("POST", &format!("/v2/{name}/blobs/uploads/"), "", &[]);
        let place = begun.location.expect("an upload has a place");
        let (_, path) = place.trim_start_matches("http://").split_once('/').expect("a path");
        let path = format!("/{path}&digest={}", digest.replace('/', ":"));
        assert_eq!(client.send("PUT", &path, "application/octet-stream", bytes).status, 201);
    }
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let body = &files[&format!("blobs/{manifest}")];
    assert_eq!(client.send("PUT", &format!("/v2/{name}/manifests/1"), kind, body).status, 201);
    format!("{}/{name}:1", registry.host())
}

/// Makes an image source for a reference; its id.
pub(crate) fn source(client: &mut Client, reference: &str) -> String {
    let (host, rest) = reference.split_once('/').unwrap();
    let name = rest.replace(['/', ':'], "-");
    let origin =
        json!({ "type": "oci-registry", "details": { "target": rest, "url": format!("http://{host}") } });
    let made = client.json("POST", "/v1/images/sources", &json!({ "name": name, "origin": origin }));
    made["data"]["id"].as_str().unwrap().to_owned()
}

/// Asks for an import; the image's id.
pub(crate) fn import(client: &mut Client, source: &str) -> String {
    let made = client.json("POST", "/v1/images", &json!({ "source_id": source, "import": true }));
    made["data"]["id"].as_str().unwrap().to_owned()
}

/// A factory, a registry, and so many tiny images in it, each with a source.
pub(crate) fn stage(count: u64) -> (Registry, Factory, Vec<String>) {
    let (registry, factory) = (Registry::start(), Factory::start());
    let (mut there, mut here) = (Client::to(&registry.host(), ""), Client::with_key(&factory));
    let sources = (0..count).map(|number| {
        let reference = push(&registry, &mut there, number);
        source(&mut here, &reference)
    });
    let sources = sources.collect();
    (registry, factory, sources)
}
