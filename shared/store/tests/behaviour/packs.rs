//! Looking over packs.

use crate::{
    index::Index,
    tree::{noise, write},
};
use std::{collections::HashMap, time::Duration};
use store::{Kept, PackId, Store};

pub async fn packs_are_listed_and_deleted(store: &Store) {
    assert_eq!(store.list_packs().await.unwrap(), []);
    let index = Index::new();
    let written: Vec<_> = ["a", "b"]
        .map(|name| write(store, &index, &vec![(name.into(), noise(name, 50_000))]).0.written.pack.unwrap())
        .into();
    let listed = store.list_packs().await.unwrap();
    assert!(listed.iter().all(|pack| pack.finished && pack.age < Duration::from_secs(600)));
    let sizes: HashMap<_, _> = listed.iter().map(|pack| (pack.id, pack.size)).collect();
    assert_eq!(sizes, written.iter().map(|pack| (pack.id, pack.size)).collect());

    let [a, b] = [written[0].id, written[1].id];
    assert!(store.pack_exists(a).await.unwrap());
    store.delete_pack(a).await.unwrap();
    store.delete_pack(a).await.expect("deleting again is no error");
    assert!(!store.pack_exists(a).await.unwrap() && store.pack_exists(b).await.unwrap());
    assert!(!store.pack_exists(PackId::new()).await.unwrap());
}

/// What a crash leaves is only to be had by killing a process; its remains are a file, which the next process sees.
#[tokio::test]
async fn what_a_crash_leaves_is_seen_and_removed() {
    let (directory, store) = crate::local();
    let id = PackId::new();
    let name = id.to_string();
    let shard = directory.path().join("packs").join(&name[30..]);
    std::fs::create_dir(&shard).unwrap();
    std::fs::write(shard.join(format!("{name}.part")), b"half a chunk").unwrap();
    std::fs::write(shard.join("lost+found"), b"not ours").unwrap();
    let listed = store.list_packs().await.unwrap();
    assert_eq!((listed.len(), listed[0].id, listed[0].size, listed[0].finished), (1, id, 12, false));
    assert!(!store.pack_exists(id).await.unwrap());
    store.delete_pack(id).await.unwrap();
    assert_eq!(store.list_packs().await.unwrap(), []);
}

pub async fn chunks_move_and_damage_stays_behind(store: &Store) {
    let index = Index::new();
    let (layer, _) =
        write(store, &index, &vec![("a".into(), noise("a", 50_000)), ("b".into(), noise("b", 9_000))]);
    let pack = layer.written.pack.unwrap().id;
    let kept =
        |new: &store::NewChunk| Kept { pack, offset: new.offset, length: new.length, sum: Some(new.sum) };
    let mut chunks: Vec<Kept> = layer.written.new.iter().map(kept).collect();
    let mut buffer = Vec::new();
    assert!(chunks.iter().all(|chunk| store.is_sound(chunk, &mut buffer).unwrap()));
    chunks[1].sum = Some([0; 32]);
    chunks.push(Kept { pack, offset: 1 << 40, length: 10, sum: None });
    let into = PackId::new();
    let copied = store.copy_chunks(into, &chunks).unwrap();
    let damaged: Vec<usize> =
        copied.places.iter().enumerate().filter(|(_, place)| place.is_none()).map(|(at, _)| at).collect();
    assert_eq!(damaged, [1, chunks.len() - 1]);
    for (chunk, place) in chunks.iter().zip(copied.places) {
        let Some(offset) = place else { continue };
        assert!(store.is_sound(&Kept { pack: into, offset, ..*chunk }, &mut buffer).unwrap());
    }
    assert_eq!(copied.size, layer.blob.size - u64::from(chunks[1].length));
}
