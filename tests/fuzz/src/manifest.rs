//! Manifests, indexes and configs, and the walk from an index to the one manifest of a platform.

use std::cell::RefCell;
use std::io::{Seek, Write};

use bytes::Bytes;
use oci::archive::{Archive, Caps};
use oci::digest::Digest;
use oci::manifest::{Document, ImageConfig, Platform};
use tempfile::NamedTempFile;

use super::{assert_code, parts};

/// Parts of the input are documents. `@n` in a document is the digest of part n before it, and `"#n"` its size, since
/// no fuzzer finds a digest; the last part is the `index.json` of a layout that has all others as blobs.
pub fn manifest(data: &[u8]) {
    let mut documents: Vec<Vec<u8>> = Vec::new();
    for part in parts(data, 10) {
        let document = filled(part, &documents);
        parse(&document);
        documents.push(document);
    }
    let Some((index, blobs)) = documents.split_last() else { return };
    thread_local! {
        static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new().expect("a temporary file"));
    }
    FILE.with_borrow_mut(|file| {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes).expect("memory");
        };
        add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        add("index.json", index);
        for blob in blobs {
            add(&format!("blobs/sha256/{}", Digest::of(blob).hex()), blob);
        }
        let tar = tar.into_inner().expect("memory");
        file.rewind().expect("a file");
        file.as_file_mut().set_len(0).expect("a file");
        file.write_all(&tar).expect("a file");
        walk(file.path());
    });
}

fn filled(part: &[u8], before: &[Vec<u8>]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(part) else { return part.to_vec() };
    let mut text = text.to_owned();
    for (place, document) in before.iter().enumerate() {
        text = text.replace(&format!("@{place}"), &Digest::of(document).to_string());
        text = text.replace(&format!("\"#{place}\""), &document.len().to_string());
    }
    text.into_bytes()
}

fn parse(document: &[u8]) {
    let raw = Bytes::copy_from_slice(document);
    for content_type in [
        None,
        Some("application/vnd.oci.image.index.v1+json"),
        Some("application/vnd.oci.image.manifest.v1+json"),
    ] {
        match Document::parse(raw.clone(), content_type) {
            Ok(Document::Manifest(manifest)) => assert!(manifest.layers.len() <= 256),
            Ok(Document::Index(index)) => {
                assert_eq!(index.digest, Digest::of(document));
                assert!(index.manifests.len() <= 1000);
            }
            Err(error) => {
                assert_code(error.code());
                assert!(!error.to_string().is_empty());
            }
        }
    }
    match ImageConfig::parse(raw) {
        Ok(config) => drop(config.fits(1)),
        Err(error) => assert_code(error.code()),
    }
}

fn walk(path: &std::path::Path) {
    let archive = match Archive::open(path, &std::env::temp_dir(), &Caps::default()) {
        Ok(archive) => archive,
        Err(error) => return assert_code(error.code()),
    };
    assert!(archive.images().len() <= 1000);
    for platform in [Platform::new("linux", "amd64", None), Platform::new("linux", "arm", Some("v7"))] {
        match archive.select(&platform, None) {
            Ok(image) => assert!(image.layers.len() <= 256),
            Err(error) => assert_code(error.code()),
        }
    }
}
