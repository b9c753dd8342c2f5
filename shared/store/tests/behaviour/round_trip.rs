//! What comes out, read by decoders that are not ours, is what went in.

use crate::{
    config,
    index::Index,
    local,
    reading::{read, read_blocking},
    tree::{Tree, noise, plain, small_files, text, write_as},
};
use flate2::read::MultiGzDecoder;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, io::Read, ops::Range};
use store::{Codec, Store, StoreConfig};

fn decode(blob: &[u8], codec: Codec) -> Vec<u8> {
    let mut out = Vec::new();
    match codec {
        Codec::Zstd { .. } => zstd::stream::read::Decoder::new(blob).unwrap().read_to_end(&mut out).unwrap(),
        Codec::Gzip { .. } => MultiGzDecoder::new(blob).read_to_end(&mut out).unwrap(),
    };
    out
}

/// Writes a tree to a new store, and again with some of it known; everything must hold both times.
async fn holds(store: &Store, tree: &Tree, codec: Codec, ranges: &[Range<f64>]) {
    let index = Index::new();
    let halves = [&tree[..tree.len() / 2], &tree[..]];
    for tree in halves.map(<[_]>::to_vec) {
        let layer = write_as(store, &index, &tree, codec).unwrap();
        let runs = index.commit(&layer);
        let (plain, blob) = (plain(&tree), read_blocking(store, &runs));
        assert_eq!((layer.blob.size, layer.blob.plain), (blob.len() as u64, plain.len() as u64));
        assert_eq!(layer.blob.digest[..], Sha256::digest(&blob)[..]);
        assert_eq!(layer.blob.diff_id[..], Sha256::digest(&plain)[..]);
        assert_eq!(layer.written.bytes_new, layer.written.pack.map_or(0, |pack| pack.size));
        if !tree.is_empty() {
            assert!(decode(&blob, codec) == plain);
        }
        for range in ranges {
            let at = |share: f64| (share * layer.blob.size as f64) as u64;
            let (from, to) = (at(range.start.min(range.end)), at(range.start.max(range.end)));
            assert!(read(store, &runs, from..to).await.unwrap() == blob[from as usize..to as usize]);
        }
    }
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![4 => 0usize..2000, 2 => 2000usize..20_000, 1 => 20_000usize..300_000];
    (any::<u8>(), any::<bool>(), length).prop_map(|(seed, plain, length)| {
        let make = if plain { text } else { noise };
        make(&seed.to_string(), length)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn a_layer_is_its_tar(
        tree in prop::collection::vec(("[a-z/]{1,20}", content()), 0..60),
        gzip in any::<bool>(),
        ranges in prop::collection::vec(0.0..1.0f64, 4..8),
    ) {
        let (_directory, store) = local();
        let codec = if gzip { Codec::Gzip { level: 6 } } else { Codec::default() };
        let ranges: Vec<_> = ranges.windows(2).map(|pair| pair[0]..pair[1]).collect();
        tokio::runtime::Runtime::new().unwrap().block_on(holds(&store, &tree, codec, &ranges));
    }
}

/// The real sizes, once: a few megabytes of each kind.
#[tokio::test]
async fn a_layer_is_its_tar_with_the_usual_settings() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(StoreConfig::local(directory.path())).unwrap();
    let mut tree = small_files(3000);
    tree.insert(100, ("noise".into(), noise("noise", 9 << 20)));
    tree.insert(2000, ("text".into(), text("text", 9 << 20)));
    holds(&store, &tree, Codec::default(), &[0.1..0.9, 0.0..1.0]).await;
}

#[test]
fn the_same_tar_is_the_same_blob_whatever_the_threads() {
    let mut tree = small_files(1000);
    tree.push(("big".into(), text("big", 4 << 20)));
    for codec in [Codec::default(), Codec::Gzip { level: 6 }] {
        let layers = [1, 4].map(|threads| {
            let directory = tempfile::tempdir().unwrap();
            let store = Store::open(StoreConfig { threads, ..config(directory.path()) }).unwrap();
            write_as(&store, &Index::new(), &tree, codec).unwrap()
        });
        let [one, four] = &layers;
        assert_eq!(one.blob, four.blob);
        let sums =
            |layer: &crate::tree::Layer| layer.written.new.iter().map(|new| new.sum).collect::<BTreeSet<_>>();
        assert_eq!(sums(one), sums(four));
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let few = StoreConfig { memory: (2 << 20) - 1, ..config(directory.path()) };
    assert_eq!(Store::open(few).err().unwrap().code(), "store.setting");
    let (_directory, store) = local();
    for codec in [Codec::Zstd { level: 0 }, Codec::Zstd { level: 20 }, Codec::Gzip { level: 13 }] {
        let error = write_as(&store, &Index::new(), &Vec::new(), codec).unwrap_err();
        assert_eq!((error.code(), error.is_permanent()), ("store.setting", true));
    }
}
