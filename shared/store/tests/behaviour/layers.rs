//! Writing layers.

use crate::{
    index::Index,
    tree::{feed, noise, only, small_files, try_write, write},
};
use std::io::Read;
use store::{ChunkUse, Codec, PackId, Store};

pub async fn the_same_layer_again_writes_nothing(store: &Store) {
    let index = Index::new();
    let mut tree = small_files(300);
    tree.push(("big".into(), noise("big", 500_000)));
    let (first, first_runs) = write(store, &index, &tree);
    assert_eq!(first.pack.unwrap().size, first.size, "nothing was known");
    assert_eq!(first_runs.len(), 1, "the first image reads sequentially");
    let (second, second_runs) = write(store, &index, &tree);
    assert_eq!((second.digest, second.diff_id, second.size), (first.digest, first.diff_id, first.size));
    assert_eq!((second.pack, second.bytes_new, second.new.len()), (None, 0, 0));
    assert!(second.chunks.iter().all(|used| matches!(used, ChunkUse::Known(_))));
    assert_eq!(second_runs, first_runs);
    assert_eq!(store.list_packs().await.unwrap().len(), 1);
}

pub async fn content_met_twice_is_stored_once(store: &Store) {
    let index = Index::new();
    let content = noise("twice", 200_000);
    let once = vec![("a".into(), content.clone())];
    let twice = vec![("a".into(), content.clone()), ("b".into(), content)];
    let alone = try_write(store, &index, &once).unwrap().bytes_new;
    let (layer, _) = write(store, &index, &twice);
    assert!(layer.size > 390_000, "noise does not compress: {}", layer.size);
    assert!(layer.bytes_new < alone + 2_000, "{} for one, {} for two", alone, layer.bytes_new);
}

pub async fn layers_of_one_import_share_a_pack(store: &Store) {
    let (first, second) =
        (small_files(50), [small_files(50), vec![("more".into(), noise("more", 9_000))]].concat());
    let mut writer = store.layer_writer(PackId::new(), Codec::default(), Index::new()).unwrap();
    feed(&mut writer, &first).unwrap();
    writer.end_layer().unwrap();
    feed(&mut writer, &second).unwrap();
    writer.end_layer().unwrap();
    let both = writer.finish().unwrap();
    assert_eq!(both.layers.len(), 2);
    for (layer, tree) in both.layers.iter().zip([&first, &second]) {
        let alone = try_write(store, &Index::new(), tree).unwrap();
        assert_eq!((layer.digest, layer.diff_id, layer.size), (alone.digest, alone.diff_id, alone.size));
        assert_eq!((layer.plain_size, layer.chunks.len()), (alone.plain_size, alone.chunks.len()));
    }
    assert!(both.bytes_new < both.layers[0].size + both.layers[1].size - 5_000, "{}", both.bytes_new);
}

pub async fn memory_stays_within_its_bound(store: &Store) {
    let size = 32 << 20;
    let mut writer = store.layer_writer(PackId::new(), Codec::Gzip { level: 6 }, Index::new()).unwrap();
    let key = blake3::Hasher::new().finalize_xof();
    writer.big(&mut key.take(size), size).unwrap();
    let layer = only(writer.finish().unwrap());
    assert_eq!(layer.plain_size, size);
    assert!(layer.peak_bytes <= 2 << 20, "{}", layer.peak_bytes);
    assert!(layer.peak_bytes > 400_000, "the figure counts what is in flight: {}", layer.peak_bytes);
}

pub async fn a_dropped_writer_leaves_nothing(store: &Store) {
    let mut writer = store.layer_writer(PackId::new(), Codec::default(), Index::new()).unwrap();
    feed(&mut writer, &vec![("a".into(), noise("a", 4 << 20))]).unwrap();
    // More than memory holds was taken, so some of it must be in the pack by now.
    let unfinished = store.list_packs().await.unwrap();
    assert_eq!(unfinished.iter().map(|pack| pack.finished).collect::<Vec<_>>(), [false]);
    assert!(unfinished[0].size > 0);
    drop(writer);
    assert_eq!(store.list_packs().await.unwrap(), []);
}

pub async fn an_empty_layer_has_no_pack(store: &Store) {
    let layer = try_write(store, &Index::new(), &Vec::new()).unwrap();
    assert_eq!((layer.size, layer.plain_size, layer.pack, layer.digest), (0, 0, None, layer.diff_id));
}

pub async fn a_pack_id_is_used_once(store: &Store) {
    let id = PackId::new();
    let write = |seed: &str| {
        let mut writer = store.layer_writer(id, Codec::default(), Index::new())?;
        writer.bytes(&noise(seed, 1000))?;
        writer.finish().map(only)
    };
    let first = write("first").unwrap();
    assert_eq!(write("second").unwrap_err().code(), "store.io");
    let packs = store.list_packs().await.unwrap();
    assert_eq!((packs.len(), packs[0].id, packs[0].size), (1, id, first.size));
}
