//! Reading a layer: inflating, framing, hashing. Throughput is in bytes of the tar.
#![expect(clippy::unwrap_used, reason = "benches are tests")]
#![allow(missing_docs, reason = "what the macro makes")]

use std::hint::black_box;
use std::io::{self, Cursor, Read as _};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use flate2::read::MultiGzDecoder;
use oci::layer::LayerReader;
use oci::limits::Budget;
use testkit::image::{Packing, application, pack};

fn read(bytes: Vec<u8>) -> u64 {
    let mut reader = LayerReader::open(Cursor::new(bytes), Budget::default()).unwrap();
    let mut buffer = vec![0; 128 << 10];
    while reader.next_entry().unwrap().is_some() {
        while reader.read_content(&mut buffer).unwrap() > 0 {}
    }
    reader.end().unwrap().plain
}

fn layers(c: &mut Criterion) {
    let tar = application(0);
    let mut group = c.benchmark_group("layer");
    group.sample_size(20).throughput(Throughput::Bytes(tar.len() as u64));
    group.bench_function("SHA-256 alone", |b| b.iter(|| oci::digest::Digest::of(black_box(&tar))));
    let gzip = pack(&tar, Packing::Gzip);
    group.bench_function("inflate alone", |b| {
        let mut buffer = vec![0; 128 << 10];
        b.iter(|| {
            let mut inflated = MultiGzDecoder::new(Cursor::new(&gzip));
            while inflated.read(&mut buffer).unwrap() > 0 {}
        });
    });
    group.bench_function("unzstd alone", |b| {
        let zstd = pack(&tar, Packing::Zstd);
        b.iter(|| zstd::stream::copy_decode(Cursor::new(&zstd), io::sink()).unwrap());
    });
    for (name, packing) in [("tar", Packing::Plain), ("gzip", Packing::Gzip), ("zstd", Packing::Zstd)] {
        let packed = pack(&tar, packing);
        group.bench_function(format!("read {name}"), |b| {
            b.iter_batched(|| packed.clone(), read, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, layers);
criterion_main!(benches);
