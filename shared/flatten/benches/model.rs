//! From layers to a plan: indexes, the model, the pieces, their proofs. Throughput is in entries, or in bytes of the tar.
#![expect(clippy::unwrap_used, clippy::panic, reason = "benches are tests")]
#![allow(missing_docs, reason = "what the macro makes")]

use std::io::{self, Cursor};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use flatten::{Composer, Cuts, Keep, LayerIndex, Piece, Plan, Tree, prove, read_layer};
use oci::limits::{Budget, Limits};
use testkit::image::application;

const LAYERS: usize = 8;

struct Nothing;

impl Keep for Nothing {
    fn read(&mut self, _: &[u8; 32], _: u32, _: usize, _: &mut Vec<u8>) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn index(tar: Vec<u8>) -> LayerIndex {
    read_layer(Cursor::new(tar), &std::env::temp_dir(), &Budget::default(), None).unwrap()
}

fn tree(layers: &[LayerIndex]) -> Tree<'_> {
    let mut tree = Tree::new(Limits::default());
    layers.iter().for_each(|layer| tree.apply(layer).unwrap());
    tree
}

fn batches(plan: &mut Plan<'_, '_>) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for piece in plan.pieces().to_vec() {
        let Piece::Batch { entries, last, .. } = piece else { continue };
        let mut plain = Vec::new();
        plan.fill(entries, last, &mut Nothing, &mut plain).unwrap();
        all.push(plain);
    }
    all
}

fn indexes(c: &mut Criterion) {
    let tar = application(1);
    let mut group = c.benchmark_group("index");
    group.sample_size(20).throughput(Throughput::Bytes(tar.len() as u64));
    group.bench_function("of a layer", |b| b.iter_batched(|| tar.clone(), index, BatchSize::LargeInput));
    let known = index(tar);
    let kept = known.encode(&[], |_| None).unwrap();
    group.throughput(Throughput::Elements(known.entries() as u64));
    group.bench_function("encode", |b| b.iter(|| known.encode(&[], |_| None).unwrap()));
    group.bench_function("decode", |b| b.iter(|| LayerIndex::decode(&kept).unwrap()));
    group.finish();
}

fn model(c: &mut Criterion) {
    let layers: Vec<_> = (0..LAYERS).map(|number| index(application(number))).collect();
    let entries: usize = layers.iter().map(LayerIndex::entries).sum();
    let mut group = c.benchmark_group("model");
    group.sample_size(20).throughput(Throughput::Elements(entries as u64));
    group.bench_function("apply", |b| b.iter(|| tree(&layers)));
    let tree = tree(&layers);
    group.bench_function("plan", |b| b.iter(|| Plan::of(&tree, Cuts::default()).pieces().len()));
    let mut plan = Plan::of(&tree, Cuts::default());
    group.bench_function("certificate", |b| b.iter(|| plan.flat()));
    let filled = batches(&mut plan);
    group.throughput(Throughput::Bytes(filled.iter().map(|plain| plain.len() as u64).sum()));
    group.bench_function("fill batches", |b| b.iter(|| batches(&mut plan).len()));
    group.bench_function("prove batches", |b| {
        b.iter(|| filled.iter().map(|plain| prove(plain).unwrap().bytes.len()).sum::<usize>());
    });
    let proofs: Vec<_> = filled.iter().map(|plain| prove(plain).unwrap()).collect();
    let pieces = plan.pieces().to_vec();
    group.bench_function("compose proofs", |b| b.iter(|| compose(&pieces, &proofs)));
    group.finish();
}

fn compose(pieces: &[Piece], proofs: &[flatten::Proof]) -> flatten::Certificate {
    let (mut composer, mut proofs) = (Composer::new(), proofs.iter());
    for piece in pieces {
        match piece {
            Piece::Batch { .. } => {
                let Some(proof) = proofs.next() else { panic!("a proof for every batch") };
                composer.batch(&proof.bytes).unwrap();
            }
            Piece::Large { content, .. } => composer.content(&content.digest, content.size).unwrap(),
        }
    }
    composer.finish().unwrap()
}

criterion_group!(benches, indexes, model);
criterion_main!(benches);
