//! Images as a tiny language: a line a file.
//!
//! ```no_run
//! # use testkit::Image;
//! let image = Image::new()
//!     .layer(|l| l.dir("etc").file("etc/a", "one").link("etc/b", "etc/a"))
//!     .layer(|l| l.whiteout("etc/a"));
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

mod application;
mod layer;

pub use application::application;
pub use layer::Layer;

/// An image being made.
#[derive(Debug, Clone)]
pub struct Image {
    layers: Vec<Bytes>,
    config: Value,
    platform: (String, String),
    packing: Packing,
}

/// The bytes of a layer.
#[derive(Debug, Clone)]
enum Bytes {
    /// A tar, to be compressed as the image says.
    Tar(Vec<u8>),
    /// A blob as it is, with what its descriptor and the config say of it.
    Blob { bytes: Vec<u8>, diff_id: String, media_type: String },
}

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

impl Default for Image {
    fn default() -> Self {
        Self::new()
    }
}

impl Image {
    /// No layers yet, for this machine's architecture, gzip.
    pub fn new() -> Self {
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        Self {
            layers: Vec::new(),
            config: json!({}),
            platform: ("linux".to_owned(), architecture.to_owned()),
            packing: Packing::Gzip,
        }
    }

    /// Debian's busybox with its tools: it runs. Three layers with a deletion, an overwrite, hardlinks, setuid, an
    /// extended attribute, a symbolic link and a pipe.
    pub fn busybox() -> Self {
        let busybox = fs::read(crate::tools::find(embedded::Program::Busybox)).expect("busybox can be read");
        Self::new()
            .layer(|l| {
                let l =
                    l.dir("bin").dir("etc").dir("tmp").dir("old").program("bin/busybox", 0o4755, &busybox);
                ["sh", "cat", "ls", "echo", "sleep"]
                    .into_iter()
                    .fold(l, |l, tool| l.program_link(&format!("bin/{tool}"), "bin/busybox", 0o4755))
                    .file("etc/motd", "from the first layer\n")
                    .file("old/gone", "x".repeat(10_000))
                    .file("old/kept", "kept")
                    .file("etc/shared", "shared by two names")
            })
            .layer(|l| {
                l.file("etc/motd", "flat and running\n").whiteout("old/gone").xattr(
                    "etc/marked",
                    "user.demo",
                    b"a\nb\0c",
                )
            })
            .layer(|l| {
                l.link("etc/shared-too", "etc/shared").symlink("etc/link", "../bin/busybox").fifo("etc/pipe")
            })
            .config(json!({ "Cmd": ["/bin/cat", "/etc/motd"], "Healthcheck": { "Test": ["CMD", "true"] } }))
    }

    /// Adds a layer on top.
    #[must_use]
    pub fn layer(mut self, fill: impl FnOnce(Layer) -> Layer) -> Self {
        self.layers.push(Bytes::Tar(fill(Layer::default()).bytes()));
        self
    }

    /// Adds a layer of these bytes.
    #[must_use]
    pub fn raw_layer(mut self, tar: Vec<u8>) -> Self {
        self.layers.push(Bytes::Tar(tar));
        self
    }

    /// Adds a layer of this blob, whatever it is; `diff_id` is what the config claims.
    #[must_use]
    pub fn blob_layer(mut self, bytes: Vec<u8>, diff_id: &str, media_type: &str) -> Self {
        self.layers.push(Bytes::Blob {
            bytes,
            diff_id: diff_id.to_owned(),
            media_type: media_type.to_owned(),
        });
        self
    }

    /// What the config's `config` is.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// Another platform than this machine's.
    #[must_use]
    pub fn platform(mut self, os: &str, architecture: &str) -> Self {
        self.platform = (os.to_owned(), architecture.to_owned());
        self
    }

    /// Another compression than gzip.
    #[must_use]
    pub fn packed(mut self, packing: Packing) -> Self {
        self.packing = packing;
        self
    }

    /// The digest of a layer's blob, as the manifest names it.
    pub fn layer_digest(&self, place: usize) -> String {
        match &self.layers[place] {
            Bytes::Tar(tar) => digest(&pack(tar, self.packing)),
            Bytes::Blob { bytes, .. } => digest(bytes),
        }
    }

    /// The image's files as an OCI image layout, by name.
    pub fn layout(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let kind = match self.packing {
            Packing::Plain => "application/vnd.oci.image.layer.v1.tar",
            Packing::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Packing::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        };
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|layer| match layer {
                Bytes::Tar(tar) => put(&mut files, kind, &pack(tar, self.packing)),
                Bytes::Blob { bytes, media_type, .. } => put(&mut files, media_type, bytes),
            })
            .collect();
        let config =
            put(&mut files, "application/vnd.oci.image.config.v1+json", self.config_json().as_bytes());
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers }).to_string();
        let mut manifest = put(&mut files, kind, manifest.as_bytes());
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
        finish(&mut files, &[manifest]);
        files
    }

    /// The manifest's descriptor, with its platform, and the files it needs.
    fn described(&self) -> (Value, BTreeMap<String, Vec<u8>>) {
        let mut files = self.layout();
        let index = files.remove("index.json").expect("a layout has an index");
        let mut index: Value = serde_json::from_slice(&index).expect("our own JSON");
        let mut manifest = index["manifests"][0].take();
        manifest["platform"] = json!({ "os": self.platform.0, "architecture": self.platform.1 });
        manifest.as_object_mut().expect("a descriptor").remove("annotations");
        (manifest, files)
    }

    /// The image's files as `docker save` writes them, by name.
    pub fn docker_save(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut names = Vec::new();
        for (place, layer) in self.layers.iter().enumerate() {
            let name = format!("{place}/layer.tar");
            let (Bytes::Tar(bytes) | Bytes::Blob { bytes, .. }) = layer;
            files.insert(name.clone(), bytes.clone());
            names.push(name);
        }
        files.insert("config.json".to_owned(), self.config_json().into_bytes());
        let manifest =
            json!([{ "Config": "config.json", "RepoTags": ["demo:1"], "Layers": names }]).to_string();
        files.insert("manifest.json".to_owned(), manifest.into_bytes());
        files
    }

    fn config_json(&self) -> String {
        let diff_id = |layer: &Bytes| match layer {
            Bytes::Tar(tar) => digest(tar),
            Bytes::Blob { diff_id, .. } => diff_id.clone(),
        };
        let diff_ids: Vec<String> = self.layers.iter().map(diff_id).collect();
        json!({
            "created": "2026-01-01T00:00:00Z",
            "os": self.platform.0,
            "architecture": self.platform.1,
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        })
        .to_string()
    }
}

/// One OCI image layout with an image index of several platforms, named `latest`.
pub fn multi_platform(images: &[Image]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut manifests = Vec::new();
    for image in images {
        let (manifest, needs) = image.described();
        manifests.push(manifest);
        files.extend(needs);
    }
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": manifests }).to_string();
    let mut index = put(&mut files, kind, index.as_bytes());
    index["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
    finish(&mut files, &[index]);
    files
}

/// What makes files an OCI image layout.
fn finish(files: &mut BTreeMap<String, Vec<u8>>, manifests: &[Value]) {
    let index = json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
    files.insert("index.json".to_owned(), index.into_bytes());
    files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
}

/// `sha256:<hex>` of bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn put(files: &mut BTreeMap<String, Vec<u8>>, kind: &str, bytes: &[u8]) -> Value {
    let digest = digest(bytes);
    files.insert(format!("blobs/{}", digest.replace(':', "/")), bytes.to_vec());
    json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
}

/// Bytes that no compression makes smaller, always the same.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

/// Compresses bytes.
pub fn pack(bytes: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::Plain => bytes.to_vec(),
        Packing::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(bytes).expect("memory");
            gzip.finish().expect("memory")
        }
        Packing::Zstd => zstd::bulk::compress(bytes, 3).expect("memory"),
    }
}

/// Writes files into a directory.
///
/// # Errors
/// When they cannot be written.
pub fn write_dir(files: &BTreeMap<String, Vec<u8>>, dir: &Path) -> Result<()> {
    for (name, bytes) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().expect("a file has a directory"))?;
        fs::write(path, bytes)?;
    }
    Ok(())
}

/// Files as a tar.
pub fn tar_of(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes.as_slice()).expect("memory");
    }
    tar.into_inner().expect("memory")
}
