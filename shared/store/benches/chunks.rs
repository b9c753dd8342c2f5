//! What is done to every byte: cutting, keys, compressing; whole intakes; and reading blobs. Throughput is in plain bytes.
#![expect(clippy::unwrap_used, reason = "benches are tests")]
#![allow(missing_docs, reason = "what the macro makes")]

use std::collections::HashMap;
use std::hint::black_box;
use std::io;
use std::sync::{Arc, Mutex};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fastcdc::v2020::FastCDC;
use sha2::{Digest as _, Sha256};
use store::{
    ChunkIndex, ChunkKey, Codec, Located, PackId, Part, Prove, Proved, Run, Store, StoreConfig, merge_runs,
};

const SIZE: usize = 32 << 20;

/// Half text, half what does not compress, in stretches of some kilobytes: as programs are.
fn bytes() -> Vec<u8> {
    let mut noise = blake3::Hasher::new().finalize_xof();
    let mut all = Vec::with_capacity(SIZE + (16 << 10));
    let mut line = 0u64;
    while all.len() < SIZE {
        let from = all.len();
        all.resize(from + (4 << 10), 0);
        noise.fill(all.get_mut(from..).unwrap_or_default());
        while all.len() < from + (8 << 10) {
            line += 1;
            all.extend_from_slice(
                format!("    mov r{}, [table + {}]\n", line % 16, line * 8 % 4096).as_bytes(),
            );
        }
    }
    all.truncate(SIZE);
    all
}

#[derive(Default)]
struct Index(Mutex<HashMap<ChunkKey, Located>>);

impl ChunkIndex for Index {
    fn find(&self, keys: &[ChunkKey]) -> anyhow::Result<Vec<Option<Located>>> {
        let rows = self.0.lock().unwrap();
        Ok(keys.iter().map(|key| rows.get(key).copied()).collect())
    }
}

/// Takes `plain` in as a large file; answers the runs of the blob that it is.
fn take_in(store: &Store, index: &Arc<Index>, codec: Codec, plain: &[u8]) -> Vec<Run> {
    let pack = PackId::new();
    let known: Arc<dyn ChunkIndex> = Arc::<Index>::clone(index);
    let intake = store.intake(pack, codec, known).unwrap();
    intake.large(&mut io::Cursor::new(plain), plain.len() as u64).unwrap();
    let written = intake.finish().unwrap();
    let located = written.new.iter().zip(1..).map(|(new, chunk)| {
        let (offset, length, plain) = (new.offset, new.length, new.plain);
        (new.key, Located { chunk, pack, offset, length, plain, proven: false })
    });
    let located: Vec<_> = located.collect();
    index.0.lock().unwrap().extend(located.iter().copied());
    merge_runs(located.into_iter().map(|(_, one)| one.into()))
}

fn pieces(c: &mut Criterion) {
    let plain = bytes();
    let mut group = c.benchmark_group("bytes");
    group.sample_size(20).throughput(Throughput::Bytes(SIZE as u64));
    group.bench_function("cut", |b| {
        b.iter(|| FastCDC::new(black_box(&plain), 256 << 10, 1 << 20, 4 << 20).count());
    });
    group.bench_function("BLAKE3", |b| b.iter(|| blake3::hash(black_box(&plain))));
    group.bench_function("SHA-256", |b| b.iter(|| Sha256::digest(black_box(&plain))));
    group.bench_function("zstd -3", |b| {
        let (mut zstd, mut out) = (zstd::bulk::Compressor::new(3).unwrap(), vec![0; 2 << 20]);
        b.iter(|| {
            plain.chunks(1 << 20).map(|one| zstd.compress_to_buffer(one, &mut out).unwrap()).sum::<usize>()
        });
    });
    group.bench_function("gzip -6", |b| {
        let level = libdeflater::CompressionLvl::new(6).unwrap();
        let (mut gzip, mut out) = (libdeflater::Compressor::new(level), vec![0; 2 << 20]);
        b.iter(|| plain.chunks(1 << 20).map(|one| gzip.gzip_compress(one, &mut out).unwrap()).sum::<usize>());
    });
    group.finish();
}

fn intakes(c: &mut Criterion) {
    let plain = bytes();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(StoreConfig::local(dir.path())).unwrap();
    let mut group = c.benchmark_group("intake");
    group.sample_size(10).throughput(Throughput::Bytes(SIZE as u64));
    for codec in [Codec::default(), Codec::Gzip { level: 6 }] {
        group.bench_function(format!("new chunks, {codec}"), |b| {
            b.iter_batched(
                Arc::default,
                |index| take_in(&store, &index, codec, &plain),
                BatchSize::PerIteration,
            );
        });
    }
    let index = Arc::default();
    let runs = take_in(&store, &index, Codec::default(), &plain);
    group.bench_function("known chunks", |b| b.iter(|| take_in(&store, &index, Codec::default(), &plain)));
    group.bench_function("read a recipe", |b| {
        b.iter(|| io::copy(&mut store.reader(&runs).unwrap(), &mut io::sink()).unwrap());
    });
    let keys: Vec<_> = index.0.lock().unwrap().keys().map(|key| key.digest).collect();
    let prove: Arc<Prove> =
        Arc::new(|plain| Ok(Proved { digest: *blake3::hash(plain).as_bytes(), proof: Vec::new() }));
    group.bench_function("assemble and prove", |b| {
        b.iter(|| {
            let known: Arc<dyn ChunkIndex> = Arc::<Index>::clone(&index);
            let intake = store.intake(PackId::new(), Codec::default(), known).unwrap();
            let found = intake.find(&keys).unwrap().into_iter().flatten();
            let parts: Vec<_> = found.map(|chunk| Part { chunk, large: None, mark: false }).collect();
            intake.assemble(&parts, None, &prove).unwrap()
        });
    });
    group.finish();
}

fn recipes(c: &mut Criterion) {
    let pack = PackId::new();
    let run = |at: u64| Run { pack, offset: at * 1000 + at / 50, length: 1000 };
    let runs: Vec<_> = (0..10_000).map(run).collect();
    let mut group = c.benchmark_group("recipe");
    group.throughput(Throughput::Elements(runs.len() as u64));
    group.bench_function("merge runs", |b| b.iter(|| merge_runs(black_box(&runs).iter().copied())));
    group.finish();
}

criterion_group!(benches, pieces, intakes, recipes);
criterion_main!(benches);
