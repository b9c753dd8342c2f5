//! The same source gives the same flat image everywhere; what is known is not read again; what is served can be proved.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;
use testkit::{Factory, Image, Registry, proxy};

fn image() -> Image {
    let noise = |seed: u8| {
        (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect::<Vec<_>>()
    };
    (0..6u8).fold(Image::new(), |image, n| {
        image.layer(|l| l.dir("d").file(&format!("d/{n}"), noise(n)).file("d/last", n.to_string()))
    })
}

#[test]
fn on_any_machine_and_in_any_order_of_arrival() {
    let registry = Registry::start();
    let reference = registry.push(&image(), "demo/same:1");
    let (one, other) = (Factory::start(), Factory::configured(&[("PLATEN_SLOTS", "1")]));
    let first = one.import(&reference, &[]);
    // The other factory's layers come at another pace.
    let slow = proxy::slow(registry.port(), 4 << 20);
    let there = other.import(&reference.replace(&registry.port().to_string(), &slow.to_string()), &[]);
    let gzip = other.import(&reference, &["--codec", "gzip"]);
    for image in [&there, &gzip] {
        assert_eq!(image["diff_id"], first["diff_id"]);
        assert_eq!(image["flat"]["certificate"], first["flat"]["certificate"]);
    }
    assert_ne!(gzip["digest"], first["digest"], "another codec, another blob");
}

#[test]
fn a_known_source_is_not_read_again() {
    let (registry, factory) = (Registry::start(), Factory::start());
    let reference = registry.push(&image(), "demo/known:1");
    let first = factory.import(&reference, &[]);
    let again = factory.import(&reference, &[]);
    assert_eq!((&again["digest"], &again["diff_id"]), (&first["digest"], &first["diff_id"]));
    assert_eq!(
        (&again["flat"]["bytes_new"], &again["flat"]["platforms"][0]["known"]),
        (&0.into(), &true.into())
    );
    let log = factory.run(&["logs", again["id"].as_str().unwrap()]);
    assert!(log.contains("nothing of it is read again") && !log.contains("Layer 1/6"), "{log}");
    // Its layers are not even asked for: they are gone from the registry.
    let layers: Value = serde_json::from_slice(&fs::read(manifest(&registry, &first)).unwrap()).unwrap();
    for layer in layers["layers"].as_array().unwrap() {
        fs::remove_file(registry.blob_file(layer["digest"].as_str().unwrap())).unwrap();
    }
    let third = factory.import(&reference, &[]);
    assert_eq!(third["digest"], first["digest"]);
    // Another codec is another image, and has to be made.
    let (_, said) = factory.import_fails(&reference, &["--codec", "gzip"]);
    assert!(said.contains("registry."), "{said}");
    // Once nobody serves it, it is not known any more.
    factory.run(&["prune", "--min-age", "0s"]);
    let (_, said) = factory.import_fails(&reference, &[]);
    assert!(said.contains("registry."), "{said}");
    crate::assert_sound(&factory);
}

fn manifest(registry: &Registry, image: &Value) -> std::path::PathBuf {
    registry.blob_file(image["source_digest"].as_str().unwrap())
}

#[test]
fn what_is_served_can_be_proved_and_damage_shows() {
    let (registry, factory) = (Registry::start(), Factory::start());
    let live = factory.import(&registry.push(&image(), "demo/proved:1"), &["--name", "proved"]);
    let report: Value = serde_json::from_str(&factory.run(&["verify", "proved", "-o", "json"])).unwrap();
    assert_eq!((&report["verified"], &report["digest"]), (&true.into(), &live["digest"]));
    assert_eq!(report["certificate"], live["flat"]["certificate"]);
    assert_eq!(report["platforms"][0]["diff_id"], live["diff_id"]);
    let pack = packs(&factory.dir().join("store/packs")).pop().unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes).unwrap();
    let output = factory.output(&["verify", "proved"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("verify."), "{said}");
    let output = factory.output(&["verify", "nothing-of-this-name"]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn what_was_damaged_before_it_was_first_pulled_is_not_served_to_its_end() {
    let (registry, factory) = (Registry::start(), Factory::start());
    let live = factory.import(&registry.push(&image(), "demo/first:1"), &["--name", "first"]);
    let pack = packs(&factory.dir().join("store/packs")).pop().unwrap();
    let whole = fs::read(&pack).unwrap();
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes).unwrap();
    let (layer, size) = (&live["flat"]["platforms"][0]["layer"], live["size"].as_u64().unwrap());
    let source = live["source"]["identifier"].as_str().unwrap();
    let path = format!("/v2/{}/{source}/blobs/{}", factory.env("PLATEN_HUB"), layer.as_str().unwrap());
    assert!(pulled(&factory, &path).len() < usize::try_from(size).unwrap(), "not all of it is sent");
    // With the right bytes back in place, it is.
    fs::write(&pack, whole).unwrap();
    for _ in 0..2 {
        assert_eq!(pulled(&factory, &path).len() as u64, size);
    }
}

/// The body of an answer, as far as it came.
fn pulled(factory: &Factory, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(factory.host()).unwrap();
    let key = factory.env("PLATEN_API_KEY");
    write!(stream, "GET {path} HTTP/1.0\r\nauthorization: Bearer {key}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&answer[..80]));
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    answer.split_off(head)
}

fn packs(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    entries.flat_map(|e| if e.path().is_dir() { packs(&e.path()) } else { vec![e.path()] }).collect()
}
