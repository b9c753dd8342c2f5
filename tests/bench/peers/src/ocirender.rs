//! From a registry to one zstd layer with `ocirender`, as fast as it can be done with that library: layers are fetched
//! by several threads, the newest first, as its documentation advises, each checked against its digest while it comes;
//! the merged tar goes through a pipe to zstd at level 3 with two workers; what comes out is hashed while it is written.
//!
//! Usage: `ocirender-flat HOST:PORT NAME TAG OUTPUT` prints the digest and size of the layer.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use ocirender::{ImageSpec, LayerMeta, StreamingPacker};
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const FETCHES: usize = 4;

struct Layer {
    index: usize,
    digest: String,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [host, name, tag, output] = args.as_slice() else {
        anyhow::bail!("usage: ocirender-flat HOST:PORT NAME TAG OUTPUT");
    };
    let base = format!("http://{host}/v2/{name}");
    let manifest = ureq::get(format!("{base}/manifests/{tag}")).header("accept", OCI).call()?;
    let manifest: Value = serde_json::from_reader(manifest.into_body().into_reader())?;
    let layers = manifest["layers"].as_array().context("a manifest has layers")?;
    let text = |layer: &Value, key: &str| layer[key].as_str().unwrap_or_default().to_owned();
    let metas = layers
        .iter()
        .enumerate()
        .map(|(index, layer)| LayerMeta { index, media_type: text(layer, "mediaType") })
        .collect();
    let queue: VecDeque<Layer> = layers
        .iter()
        .enumerate()
        .rev()
        .map(|(index, layer)| Layer { index, digest: text(layer, "digest") })
        .collect();
    let (digest, size) = flatten(&base, metas, queue, Path::new(output))?;
    println!("sha256:{digest} {size}");
    Ok(())
}

fn flatten(base: &str, metas: Vec<LayerMeta>, queue: VecDeque<Layer>, output: &Path) -> Result<(String, u64)> {
    let dir = tempfile::tempdir_in(output.parent().unwrap_or(Path::new(".")))?;
    let pipe = dir.path().join("merged.tar");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR)?;
    let runtime = Runtime::new()?;
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        let compressing = scope.spawn(|| compress(&pipe, output));
        let packer = runtime.block_on(async {
            StreamingPacker::new(metas, ImageSpec::Tar { path: pipe.clone() }, None)
        });
        thread::scope(|fetching| {
            let threads: Vec<_> = (0..FETCHES)
                .map(|_| fetching.spawn(|| fetch_all(base, &queue, dir.path(), &runtime, &packer)))
                .collect();
            threads.into_iter().try_for_each(|one| one.join().expect("a thread that fetches"))
        })?;
        runtime.block_on(packer.finish())?;
        compressing.join().expect("the thread that compresses")
    })
}

fn fetch_all(
    base: &str,
    queue: &Mutex<VecDeque<Layer>>,
    dir: &Path,
    runtime: &Runtime,
    packer: &StreamingPacker,
) -> Result<()> {
    loop {
        let Some(layer) = queue.lock().expect("a queue").pop_front() else { return Ok(()) };
        let path = fetch(base, &layer, dir)?;
        runtime.block_on(packer.notify_layer_ready(layer.index, path))?;
    }
}

fn fetch(base: &str, layer: &Layer, dir: &Path) -> Result<PathBuf> {
    let path = dir.join(layer.index.to_string());
    let mut body = ureq::get(format!("{base}/blobs/{}", layer.digest)).call()?.into_body().into_reader();
    let (mut file, mut hash) = (File::create(&path)?, Sha256::new());
    let mut piece = vec![0; 1 << 18];
    loop {
        let read = body.read(&mut piece)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
        file.write_all(&piece[..read])?;
    }
    ensure!(layer.digest == format!("sha256:{}", hex(&hash.finalize())), "a layer is not what its digest says");
    Ok(path)
}

fn compress(pipe: &Path, output: &Path) -> Result<(String, u64)> {
    let mut merged = File::open(pipe)?;
    let hashing = Hashing { file: File::create(output)?, hash: Sha256::new(), size: 0 };
    let mut zstd = zstd::Encoder::new(hashing, 3)?;
    zstd.multithread(2)?;
    let mut piece = vec![0; 1 << 18];
    loop {
        let read = merged.read(&mut piece)?;
        if read == 0 {
            break;
        }
        zstd.write_all(&piece[..read])?;
    }
    let done = zstd.finish()?;
    Ok((hex(&done.hash.finalize()), done.size))
}

struct Hashing {
    file: File,
    hash: Sha256,
    size: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
