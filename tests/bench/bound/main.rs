//! What no flattening of an image can go below: each layer is hashed, inflated and hashed again, and the flat layer is
//! hashed, compressed with zstd at level 3 and hashed again. Nothing is fetched, parsed, kept or told.
//!
//! Usage: `bench-bound LAYOUT FLAT` with an image's OCI layout directory and the zstd blob of its flat layer. Prints the
//! processor's seconds of each part, half of their sum, and what two threads need for it all, as lines
//! `FIGURE<TAB>name<TAB>value<TAB>unit<TAB>target`.

mod work;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Error};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use work::{Job, Parts};

fn main() -> io::Result<()> {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [layout, flat] = args.as_slice() else {
        return Err(Error::other("usage: bench-bound LAYOUT FLAT"));
    };
    // The flat tar is made outside of what is measured.
    let tar = tempfile::NamedTempFile::new()?;
    zstd::stream::copy_decode(File::open(flat)?, tar.as_file())?;
    let jobs = jobs(layout, tar.path(), flat)?;
    let mut parts = Parts::default();
    for job in &jobs {
        work::run(job, &mut parts)?;
    }
    let began = Instant::now();
    let queue = Mutex::new(VecDeque::from(jobs));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| drain(&queue))).collect();
        threads.into_iter().try_for_each(|one| one.join().map_err(|_| Error::other("a thread panicked"))?)
    })?;
    let wall = began.elapsed().as_secs_f64();
    let sum = parts.inflate + parts.hash_in + parts.compress + parts.hash_out;
    figure("bound: inflate", parts.inflate);
    figure("bound: SHA-256 of the layers, as they come and inflated", parts.hash_in);
    figure("bound: zstd -3 of the flat tar", parts.compress);
    figure("bound: SHA-256 of the flat tar and the flat blob", parts.hash_out);
    figure("bound: half of the sum", sum / 2.0);
    figure("bound: two threads", wall);
    Ok(())
}

fn figure(name: &str, seconds: f64) {
    println!("FIGURE\t{name}\t{seconds:.3}\ts\t");
}

fn drain(queue: &Mutex<VecDeque<Job>>) -> io::Result<()> {
    let mut parts = Parts::default();
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(job) = job else { return Ok(()) };
        work::run(&job, &mut parts)?;
    }
}

/// The long ones first: whoever is done takes the next, and the short ones even it out.
fn jobs(layout: &Path, tar: &Path, flat: &Path) -> io::Result<Vec<Job>> {
    let mut layers = layers(layout)?;
    layers.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let mut jobs: Vec<Job> = layers.into_iter().map(|(path, _)| Job::Layer(path)).collect();
    jobs.push(Job::Hash(tar.to_owned()));
    jobs.push(Job::Hash(flat.to_owned()));
    let size = fs::metadata(tar)?.len();
    let step = 16 << 20;
    jobs.extend((0..size.div_ceil(step)).map(|at| Job::Compress {
        tar: tar.to_owned(),
        from: at * step,
        to: size.min((at + 1) * step),
    }));
    Ok(jobs)
}

/// The layers of the first image of a layout, with their sizes.
fn layers(layout: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let blob = |descriptor: &serde_json::Value| {
        let digest = descriptor.get("digest").and_then(|digest| digest.as_str()).unwrap_or_default();
        layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    };
    let index: serde_json::Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let first = index.pointer("/manifests/0").ok_or_else(|| Error::other("the layout has no image"))?;
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(blob(first))?)?;
    let layers = manifest.pointer("/layers").and_then(|layers| layers.as_array());
    layers
        .ok_or_else(|| Error::other("the image has no layers"))?
        .iter()
        .map(|layer| Ok((blob(layer), fs::metadata(blob(layer))?.len())))
        .collect()
}
