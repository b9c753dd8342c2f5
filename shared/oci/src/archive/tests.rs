//! Archives built by code, good and hostile.

mod docker;
mod layout;

use std::io::{Read, Write};
use std::path::PathBuf;

use serde_json::{Value, json};
use tar::EntryType;

use super::*;
use crate::manifest::media_type::{OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};

/// The files of an archive in their order.
#[derive(Default, Clone)]
struct Files(Vec<(String, EntryType, Vec<u8>)>);

impl Files {
    fn add(&mut self, path: &str, content: impl AsRef<[u8]>) -> &mut Self {
        self.0.push((path.into(), EntryType::Regular, content.as_ref().to_vec()));
        self
    }

    fn link(&mut self, path: &str, kind: EntryType, to: &str) -> &mut Self {
        self.0.push((path.into(), kind, to.as_bytes().to_vec()));
        self
    }

    fn remove(&mut self, path: &str) -> &mut Self {
        self.0.retain(|(name, ..)| name != path);
        self
    }

    fn blob(&mut self, content: impl AsRef<[u8]>) -> Digest {
        let digest = Digest::of(content.as_ref());
        self.add(&format!("blobs/sha256/{}", digest.hex()), content);
        digest
    }

    fn tar(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, content) in &self.0 {
            let mut header = tar::Header::new_gnu();
            let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
            // Written as bytes: the builder's own setters refuse what is to be tested.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            if is_link {
                header.as_old_mut().linkname[..content.len()].copy_from_slice(content);
            }
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_size(if is_link { 0 } else { content.len() as u64 });
            header.set_cksum();
            builder.append(&header, if is_link { &[][..] } else { content }).unwrap();
        }
        builder.into_inner().unwrap()
    }
}

/// A directory for one test, with what it needs to open archives.
struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.root.path().join("archive");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn directory(&self, files: &Files) -> PathBuf {
        let path = self.root.path().join("layout");
        for (name, _, content) in &files.0 {
            let file = path.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }
        path
    }

    fn open(&self, path: &Path) -> Result<Archive, ArchiveError> {
        Archive::open(path, self.root.path(), &Caps::default())
    }

    fn open_files(&self, files: &Files) -> Result<Archive, ArchiveError> {
        self.open(&self.file(&files.tar()))
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).unwrap()
}

fn amd64() -> Platform {
    Platform::new("linux", "amd64", None)
}

fn config_json(architecture: &str, layers: &[&[u8]]) -> String {
    let diff_ids: Vec<Digest> = layers.iter().map(|l| Digest::of(l)).collect();
    json!({"os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
        .to_string()
}

/// The bytes of each layer, or the code of what went wrong while reading.
fn layers(image: &Image) -> Result<Vec<Vec<u8>>, &'static str> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    (0..image.layers.len())
        .map(|place| {
            let mut all = Vec::new();
            let mut reader = image.open_layer(place, runtime.handle()).map_err(|e| e.code())?;
            let read = reader.read_to_end(&mut all);
            read.map(|_| all)
                .map_err(|e| e.get_ref().unwrap().downcast_ref::<crate::digest::Mismatch>().unwrap().code())
        })
        .collect()
}

#[test]
fn what_is_no_archive_is_refused() {
    let bench = Bench::new();
    for (bytes, code) in [
        (&b""[..], "archive.invalid"),
        (b"<html>", "archive.invalid"),
        (&[0; 4096], "archive.invalid"),
        (b"\xfd7zXZ\0rest", "archive.unsupported"),
        (b"BZh91AY", "archive.unsupported"),
        (b"PK\x03\x04zip", "archive.unsupported"),
        (b"\x1f\x8b\x08\0junk", "archive.invalid"),
        (b"\x28\xb5\x2f\xfdjunk", "archive.invalid"),
        (&gzip(&gzip(&Files::default().add("oci-layout", "{}").tar())), "archive.invalid"),
        (&Files::default().add("other", "x").tar(), "archive.invalid"),
        (&Files::default().add("repositories", "{}").tar(), "archive.unsupported"),
    ] {
        let error = bench.open(&bench.file(bytes)).unwrap_err();
        assert_eq!((error.code(), error.is_permanent()), (code, true), "{error}");
    }
    assert_eq!(bench.open(&bench.root.path().join("absent")).unwrap_err().code(), "archive.io");
    assert_eq!(bench.open(bench.root.path()).unwrap_err().code(), "archive.invalid");
}

#[test]
fn a_compressed_archive_is_bounded() {
    let bench = Bench::new();
    let large = Files::default().add("oci-layout", vec![0; 1 << 20]).tar();
    let caps = Caps { plain_bytes: 1 << 20, ..Caps::default() };
    for bytes in [gzip(&large), zstd(&large)] {
        let error = Archive::open(&bench.file(&bytes), bench.root.path(), &caps).unwrap_err();
        assert_eq!(error.code(), "archive.too_large");
    }
    let cut = gzip(&large);
    assert_eq!(bench.open(&bench.file(&cut[..cut.len() - 4])).unwrap_err().code(), "archive.invalid");
}

#[test]
fn hostile_entries_are_refused() {
    let bench = Bench::new();
    let mut device = Files::default();
    device.0.push(("null".into(), EntryType::Char, Vec::new()));
    for (files, code) in [
        (Files::default().add("../../etc/passwd", "x").clone(), "archive.path"),
        (Files::default().add("/etc/passwd", "x").clone(), "archive.path"),
        (Files::default().add("a/../../b", "x").clone(), "archive.path"),
        (Files::default().link("a", EntryType::Symlink, "../x").clone(), "archive.path"),
        (Files::default().link("a", EntryType::Symlink, "/etc/passwd").clone(), "archive.path"),
        (Files::default().link("a", EntryType::Link, "../x").clone(), "archive.path"),
        (Files::default().add("manifest.json", "1").add("./manifest.json", "2").clone(), "archive.ambiguous"),
        (device, "archive.invalid"),
    ] {
        assert_eq!(bench.open_files(&files).unwrap_err().code(), code, "{:?}", files.0);
    }
    let many = (0..50).fold(Files::default(), |mut files, n| files.add(&n.to_string(), "").clone());
    let caps = Caps { entries: 49, ..Caps::default() };
    let error = Archive::open(&bench.file(&many.tar()), bench.root.path(), &caps).unwrap_err();
    assert_eq!(error.code(), "archive.too_large");
    let whole = Files::default().add("manifest.json", vec![b' '; 2000]).tar();
    assert_eq!(bench.open(&bench.file(&whole[..1000])).unwrap_err().code(), "archive.invalid");
}

#[test]
fn a_name_of_a_gigabyte_is_not_read() {
    let bench = Bench::new();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let path = bench.file(header.as_bytes());
    // A hole: takes no space, reads as zeros.
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 31).unwrap();
    let error = bench.open(&path).unwrap_err();
    assert_eq!(error.code(), "archive.invalid");
    assert!(error.to_string().contains("64 MiB"), "{error}");
}
