//! What a change costs in large files; what it costs in batches is decided by the plan.

use crate::{
    index::Index,
    tree::{Tree, noise, small_files, write},
};
use fastcdc::v2020::FastCDC;
use std::collections::HashSet;
use store::{Codec, PackId, Store};

pub async fn a_large_file_is_the_same_chunks_in_any_image(store: &Store) {
    let index = Index::new();
    let file = noise("libc", 900_000);
    let (first, _) = write(store, &index, &vec![("usr/lib/libc.so".into(), file.clone())]);
    let mut other: Tree = small_files(100);
    other.push(("opt/other/libc.so".into(), file));
    other.extend(small_files(50));
    let (second, _) = write(store, &index, &other);
    let known: HashSet<_> = first.written.new.iter().map(|new| new.key).collect();
    assert!(second.written.new.iter().all(|new| !known.contains(&new.key)));
    let (size, new) = (second.blob.size, second.written.bytes_new);
    assert!(size > first.blob.size && size - new > 890_000, "{new} new of {size}");
}

/// The window moves over the file in steps; where it stands must not show in the cuts.
pub async fn a_large_file_is_cut_as_if_read_at_once(store: &Store) {
    let mut file = noise("cuts", 2_000_001);
    let intake = store.intake(PackId::new(), Codec::default(), Index::new()).unwrap();
    let keys = intake.large(&mut file.as_slice(), file.len() as u64).unwrap();
    file.resize(file.len().next_multiple_of(512), 0);
    let cuts = FastCDC::new(&file, 4 << 10, 16 << 10, 64 << 10)
        .map(|cut| *blake3::hash(&file[cut.offset..cut.offset + cut.length]).as_bytes());
    assert_eq!(keys, cuts.collect::<Vec<_>>());
}

pub async fn a_file_of_the_size_of_a_chunk_is_one(store: &Store) {
    let file = noise("one", 15_000);
    let intake = store.intake(PackId::new(), Codec::default(), Index::new()).unwrap();
    let keys = intake.large(&mut file.as_slice(), file.len() as u64).unwrap();
    let padded = [file, vec![0; 360]].concat();
    assert_eq!((padded.len() % 512, keys), (0, vec![*blake3::hash(&padded).as_bytes()]));
}

pub async fn a_byte_inserted_in_a_large_file_changes_few_chunks(store: &Store) {
    let index = Index::new();
    let mut file = noise("database", 3_000_000);
    write(store, &index, &vec![("db".into(), file.clone())]);
    file.insert(1_000_000, 7);
    let (layer, _) = write(store, &index, &vec![("db".into(), file)]);
    assert!(layer.reused() > 0.9, "{}", layer.reused());
}
