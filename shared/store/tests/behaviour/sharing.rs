//! What a small change costs.

use crate::{
    index::Index,
    tree::{Layer, Tree, noise, only, plain, small_files, text, write},
};
use fastcdc::v2020::FastCDC;
use std::collections::HashSet;
use store::{Codec, PackId, Store};

/// Share of the blob's bytes that were in the store before.
fn reused(layer: &Layer) -> f64 {
    1.0 - layer.bytes_new as f64 / layer.size as f64
}

pub async fn a_file_added_changes_few_chunks(store: &Store) {
    let index = Index::new();
    let before = small_files(2000);
    let (first, _) = write(store, &index, &before);
    let average = first.plain_size as usize / first.chunks.len();
    assert!((8 << 10..32 << 10).contains(&average), "batches of {average} bytes");
    for at in [1, 700, 1999] {
        let mut after = before.clone();
        after.insert(at, (format!("usr/share/app/new-{at}"), text("new", 3000)));
        let (layer, _) = write(store, &index, &after);
        assert_eq!(layer.plain_size as usize, plain(&after).len());
        let chunks = 1.0 - layer.new.len() as f64 / layer.chunks.len() as f64;
        assert!(
            reused(&layer) > 0.95 && chunks > 0.95,
            "at {at}: {} of bytes, {chunks} of chunks",
            reused(&layer)
        );
    }
    let mut without = before;
    without.drain(500..510);
    let (layer, _) = write(store, &index, &without);
    assert!(reused(&layer) > 0.95, "ten files less: {}", reused(&layer));
}

pub async fn a_large_file_is_the_same_chunks_in_any_image(store: &Store) {
    let index = Index::new();
    let file = noise("libc", 900_000);
    let (first, _) = write(store, &index, &vec![("usr/lib/libc.so".into(), file.clone())]);
    let mut other: Tree = small_files(100);
    other.push(("opt/other/libc.so".into(), file));
    other.extend(small_files(50));
    let (second, _) = write(store, &index, &other);
    assert!(second.size > first.size);
    let known: HashSet<_> = first.new.iter().map(|new| new.key).collect();
    assert!(second.new.iter().all(|new| !known.contains(&new.key)));
    assert!(second.size - second.bytes_new > 890_000, "{} new of {}", second.bytes_new, second.size);
}

/// The window moves over the file in steps; where it stands must not show in the cuts.
pub async fn a_large_file_is_cut_as_if_read_at_once(store: &Store) {
    let file = noise("cuts", 2_000_001);
    let mut writer = store.layer_writer(PackId::new(), Codec::default(), Index::new()).unwrap();
    writer.big(&mut file.as_slice(), file.len() as u64).unwrap();
    let layer = only(writer.finish().unwrap());
    let cuts = FastCDC::new(&file, 4 << 10, 16 << 10, 64 << 10).map(|chunk| chunk.length);
    assert_eq!(layer.new.iter().map(|new| new.plain as usize).collect::<Vec<_>>(), cuts.collect::<Vec<_>>());
}

pub async fn a_byte_inserted_in_a_large_file_changes_few_chunks(store: &Store) {
    let index = Index::new();
    let mut file = noise("database", 3_000_000);
    write(store, &index, &vec![("db".into(), file.clone())]);
    file.insert(1_000_000, 7);
    let (layer, _) = write(store, &index, &vec![("db".into(), file)]);
    assert!(reused(&layer) > 0.9, "{}", reused(&layer));
}
