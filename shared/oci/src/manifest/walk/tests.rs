use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::manifest::media_type::{OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};

/// Documents by digest, as a registry has them.
#[derive(Default)]
struct Shelf(HashMap<Digest, Bytes>);

impl Shelf {
    fn put(&mut self, value: &Value) -> Digest {
        let raw = Bytes::from(value.to_string());
        let digest = Digest::of(&raw);
        self.0.insert(digest.clone(), raw);
        digest
    }

    fn image(&mut self, name: &str) -> Digest {
        let part = |t: &str| json!({"mediaType": t, "digest": Digest::of(name.as_bytes()), "size": 1});
        self.put(&json!({"schemaVersion": 2, "config": part(OCI_CONFIG), "layers": [part(OCI_LAYER)]}))
    }

    fn index(&mut self, entries: &[(&Digest, Option<&str>, &str)]) -> Digest {
        let entries: Vec<Value> = entries
            .iter()
            .map(|(digest, platform, media_type)| {
                let mut entry = json!({"mediaType": media_type, "digest": digest, "size": 1});
                if let Some((os, arch)) = platform.and_then(|p| p.split_once('/')) {
                    let mut arch = arch.split('/');
                    entry["platform"] =
                        json!({"os": os, "architecture": arch.next(), "variant": arch.next()});
                }
                entry
            })
            .collect();
        self.put(&json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}))
    }

    fn walk(&self, from: &Digest, wanted: &str) -> Result<(Digest, usize), ManifestError> {
        let mut walk = Walk::new(Some(wanted.parse().unwrap()));
        let mut digest = from.clone();
        loop {
            let document = Document::parse(self.0[&digest].clone(), None)?;
            match walk.take(document)? {
                Step::Found(manifest) => return Ok((manifest.digest, walk.skipped.len())),
                Step::Read(next) => digest = next.digest,
            }
        }
    }
}

#[test]
fn the_best_platform_is_chosen_and_attestations_are_not() {
    let mut shelf = Shelf::default();
    let [amd, arm, v6, v7, note] = ["amd", "arm", "v6", "v7", "note"].map(|n| shelf.image(n));
    let index = shelf.index(&[
        (&note, Some("unknown/unknown"), OCI_MANIFEST),
        (&v6, Some("linux/arm/v6"), OCI_MANIFEST),
        (&v7, Some("linux/arm/v7"), OCI_MANIFEST),
        (&arm, Some("linux/arm64/v8"), OCI_MANIFEST),
        (&amd, Some("linux/amd64"), OCI_MANIFEST),
    ]);
    for (wanted, found) in
        [("linux/amd64", &amd), ("linux/arm64", &arm), ("linux/arm", &v7), ("linux/arm/v6", &v6)]
    {
        assert_eq!(shelf.walk(&index, wanted).unwrap(), (found.clone(), 1), "{wanted}");
    }
    let missing = shelf.walk(&index, "linux/s390x").unwrap_err();
    assert_eq!(missing.code(), "platform.missing");
    assert!(missing.to_string().contains("linux/amd64, linux/arm, linux/arm/v6, linux/arm64"), "{missing}");
    assert!(!missing.to_string().contains("unknown"), "{missing}");
}

#[test]
fn of_equals_the_first_is_taken() {
    let mut shelf = Shelf::default();
    let [a, b] = ["a", "b"].map(|n| shelf.image(n));
    let index =
        shelf.index(&[(&a, Some("linux/amd64"), OCI_MANIFEST), (&b, Some("linux/amd64"), OCI_MANIFEST)]);
    assert_eq!(shelf.walk(&index, "linux/amd64").unwrap().0, a);
}

#[test]
fn indexes_nest_twice_and_no_more() {
    let mut shelf = Shelf::default();
    let image = shelf.image("x");
    let one = shelf.index(&[(&image, Some("linux/amd64"), OCI_MANIFEST)]);
    let two = shelf.index(&[(&one, None, OCI_INDEX)]);
    let three = shelf.index(&[(&two, None, OCI_INDEX)]);
    assert_eq!(shelf.walk(&two, "linux/amd64").unwrap().0, image);
    assert_eq!(shelf.walk(&three, "linux/amd64").unwrap_err().code(), "index.nested");
}

#[test]
fn an_empty_index_has_nothing() {
    let mut shelf = Shelf::default();
    let empty = shelf.index(&[]);
    assert!(shelf.walk(&empty, "linux/amd64").unwrap_err().to_string().ends_with("there is: nothing"));
}

fn config(architecture: &str) -> ImageConfig {
    let json = json!({
        "os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": []}
    });
    ImageConfig::parse(json.to_string().into()).unwrap()
}

#[test]
fn a_config_for_another_platform_leads_to_the_next_manifest() {
    let mut shelf = Shelf::default();
    let [a, b] = ["a", "b"].map(|n| shelf.image(n));
    let index = shelf.index(&[(&a, None, OCI_MANIFEST), (&b, None, OCI_MANIFEST)]);
    let mut walk = Walk::new(Some("linux/amd64".parse().unwrap()));
    let parse = |d: &Digest| Document::parse(shelf.0[d].clone(), None).unwrap();
    let Step::Read(first) = walk.take(parse(&index)).unwrap() else { panic!("an entry") };
    assert_eq!(first.digest, a);
    let Some(Step::Read(second)) = walk.judge(&config("arm64")).unwrap() else { panic!("an entry") };
    assert_eq!(second.digest, b);
    let missing = walk.judge(&config("386")).err().unwrap();
    assert!(missing.to_string().contains("linux/386, linux/arm64"), "{missing}");
}

#[test]
fn an_index_that_lies_about_a_platform_is_not_believed() {
    let mut shelf = Shelf::default();
    let a = shelf.image("a");
    let index = shelf.index(&[(&a, Some("linux/amd64"), OCI_MANIFEST)]);
    let mut walk = Walk::new(Some("linux/amd64".parse().unwrap()));
    walk.take(Document::parse(shelf.0[&index].clone(), None).unwrap()).unwrap();
    let missing = walk.judge(&config("arm64")).err().unwrap();
    assert!(missing.to_string().ends_with("there is: linux/arm64"), "{missing}");
}

#[test]
fn a_config_may_leave_out_the_variant_its_index_names() {
    let mut shelf = Shelf::default();
    let a = shelf.image("a");
    let index = shelf.index(&[(&a, Some("linux/arm/v5"), OCI_MANIFEST)]);
    let mut walk = Walk::new(Some("linux/arm/v6".parse().unwrap()));
    walk.take(Document::parse(shelf.0[&index].clone(), None).unwrap()).unwrap();
    assert!(walk.judge(&config("arm")).unwrap().is_none());
}

#[test]
fn an_index_that_does_not_say_is_not_read_without_end() {
    let mut shelf = Shelf::default();
    let a = shelf.image("a");
    let index = shelf.index(&vec![(&a, None, OCI_MANIFEST); 1000]);
    let mut walk = Walk::new(Some("linux/amd64".parse().unwrap()));
    walk.take(Document::parse(shelf.0[&index].clone(), None).unwrap()).unwrap();
    let mut tried = 1;
    let refused = loop {
        match walk.judge(&config("arm64")) {
            Ok(step) => assert!(step.is_some()),
            Err(refused) => break refused,
        }
        tried += 1;
    };
    assert_eq!((refused.code(), tried), ("index.too_large", 256));
}
