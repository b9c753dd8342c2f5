//! The parts themselves.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};

/// Pieces that stay in the processor's caches between one pass and the next.
const PIECE: usize = 128 << 10;
/// What one frame holds.
const FRAME: usize = 1 << 20;

/// The processor's seconds of each part.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub inflate: f64,
    pub hash_in: f64,
    pub compress: f64,
    pub hash_out: f64,
}

/// Something to do that needs nothing else.
#[derive(Debug)]
pub(crate) enum Job {
    /// Hash, inflate, hash.
    Layer(PathBuf),
    /// Hash a part of the output.
    Hash(PathBuf),
    /// Compress these bytes of the output.
    Compress { tar: PathBuf, from: u64, to: u64 },
}

/// Does a job, and adds what it took.
pub(crate) fn run(job: &Job, parts: &mut Parts) -> io::Result<()> {
    match job {
        Job::Layer(path) => {
            hash(File::open(path)?, &mut parts.hash_in)?;
            inflate(BufReader::with_capacity(PIECE, File::open(path)?), parts)
        }
        Job::Hash(path) => hash(File::open(path)?, &mut parts.hash_out),
        Job::Compress { tar, from, to } => {
            let began = now();
            let (file, mut zstd) = (File::open(tar)?, zstd::bulk::Compressor::new(3)?);
            let (mut frame, mut out) = (vec![0; FRAME], Vec::with_capacity(2 * FRAME));
            let mut at = *from;
            while at < *to {
                let length = FRAME.min(usize::try_from(to - at).unwrap_or(FRAME));
                frame.truncate(length);
                file.read_exact_at(&mut frame, at)?;
                out.clear();
                zstd.compress_to_buffer(&frame, &mut out)?;
                at += length as u64;
            }
            parts.compress += now() - began;
            Ok(())
        }
    }
}

fn hash(mut file: File, seconds: &mut f64) -> io::Result<()> {
    let began = now();
    let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        hash.update(piece.get(..read).unwrap_or_default());
    }
    std::hint::black_box(hash.finalize());
    *seconds += now() - began;
    Ok(())
}

fn inflate(packed: impl Read, parts: &mut Parts) -> io::Result<()> {
    let mut layer = MultiGzDecoder::new(packed);
    let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        let began = now();
        let read = layer.read(&mut piece)?;
        let inflated = now();
        hash.update(piece.get(..read).unwrap_or_default());
        parts.inflate += inflated - began;
        parts.hash_in += now() - inflated;
        if read == 0 {
            std::hint::black_box(hash.finalize());
            return Ok(());
        }
    }
}

/// The processor's seconds of this thread so far.
fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    (Duration::from_secs(seconds) + Duration::from_nanos(time.tv_nsec.unsigned_abs())).as_secs_f64()
}
