//! The smallest real image that needs no network: busybox in three layers, as an OCI layout in a tar.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use oci::digest::Digest;
use oci::manifest::Platform;
use oci::manifest::media_type::{OCI_CONFIG, OCI_MANIFEST};
use serde_json::json;
use tar::{Builder, EntryType, Header};

/// The tools that get a name of their own.
const TOOLS: [&str; 12] =
    ["sh", "cat", "ls", "echo", "ps", "vi", "wget", "grep", "sed", "awk", "find", "sleep"];

struct Layer(Builder<Vec<u8>>);

impl Layer {
    fn entry(&mut self, path: &str, kind: EntryType, mode: u32, data: &[u8], link: &str) -> Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        // The same bytes every time: a second import is recognised.
        header.set_mtime(1_767_225_600);
        header.set_size(data.len() as u64);
        if link.is_empty() {
            self.0.append_data(&mut header, path, data)?;
        } else {
            self.0.append_link(&mut header, path, link)?;
        }
        Ok(())
    }

    fn dir(&mut self, path: &str) -> Result<()> {
        self.entry(path, EntryType::Directory, 0o755, b"", "")
    }

    fn file(&mut self, path: &str, data: &str) -> Result<()> {
        self.entry(path, EntryType::Regular, 0o644, data.as_bytes(), "")
    }
}

fn layer(fill: impl FnOnce(&mut Layer) -> Result<()>) -> Result<Vec<u8>> {
    let mut layer = Layer(Builder::new(Vec::new()));
    fill(&mut layer)?;
    Ok(layer.0.into_inner()?)
}

/// Writes the image to a tar.
pub(super) fn write(busybox: &Path, to: &Path) -> Result<()> {
    let program = std::fs::read(busybox)?;
    let layers = [
        layer(|l| {
            for dir in ["bin", "etc", "tmp", "usr", "usr/share", "usr/share/doc"] {
                l.dir(dir)?;
            }
            l.entry("bin/busybox", EntryType::Regular, 0o755, &program, "")?;
            for tool in TOOLS {
                l.entry(&format!("bin/{tool}"), EntryType::Link, 0o755, b"", "bin/busybox")?;
            }
            l.file("etc/passwd", "root:x:0:0:root:/:/bin/sh\n")?;
            l.file("etc/motd", "This line is in the first layer, and hidden.\n")?;
            l.file("usr/share/doc/manual", &"Nobody reads this at run time.\n".repeat(2000))
        })?,
        layer(|l| l.file("etc/motd", "Hello from a flat image.\n"))?,
        layer(|l| l.file("usr/share/.wh.doc", ""))?,
    ];
    let mut out = Builder::new(File::create(to)?);
    let mut descriptors = Vec::new();
    let mut diff_ids = Vec::new();
    for plain in &layers {
        diff_ids.push(Digest::of(plain).to_string());
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(plain)?;
        let blob = gzip.finish()?;
        descriptors.push(put(&mut out, "application/vnd.oci.image.layer.v1.tar+gzip", &blob)?);
    }
    let config = json!({
        "created": "2026-01-01T00:00:00Z",
        "architecture": Platform::host().architecture,
        "os": "linux",
        "config": { "Cmd": ["/bin/cat", "/etc/motd"], "Env": ["PATH=/bin"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = put(&mut out, OCI_CONFIG, config.to_string().as_bytes())?;
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": descriptors })
            .to_string();
    let manifest = put(&mut out, OCI_MANIFEST, manifest.as_bytes())?;
    add(
        &mut out,
        "index.json",
        json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string().as_bytes(),
    )?;
    add(&mut out, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    out.finish()?;
    Ok(())
}

fn put(out: &mut Builder<File>, media_type: &str, blob: &[u8]) -> Result<serde_json::Value> {
    let digest = Digest::of(blob);
    add(out, &format!("blobs/{}", digest.to_string().replacen(':', "/", 1)), blob)?;
    Ok(json!({ "mediaType": media_type, "digest": digest.to_string(), "size": blob.len() }))
}

fn add(out: &mut Builder<File>, path: &str, bytes: &[u8]) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    out.append_data(&mut header, path, bytes)?;
    Ok(())
}
