//! Looking over packs.

use crate::{
    index::Index,
    tree::{noise, write},
};
use std::{collections::HashMap, time::Duration};
use store::{PackId, Store};

pub async fn packs_are_listed_and_deleted(store: &Store) {
    assert_eq!(store.list_packs().await.unwrap(), []);
    let index = Index::new();
    let written: Vec<_> = ["a", "b"]
        .map(|name| write(store, &index, &vec![(name.into(), noise(name, 50_000))]).0.pack.unwrap())
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
