//! Taking layers in.

use crate::{
    index::Index,
    tree::{noise, prove, small_files, take, try_write, write},
};
use std::io::Read;
use store::{ChunkUse, Codec, PackId, Store};

pub async fn the_same_layer_again_writes_nothing(store: &Store) {
    let index = Index::new();
    let mut tree = small_files(300);
    tree.push(("big".into(), noise("big", 500_000)));
    let (first, first_runs) = write(store, &index, &tree);
    assert_eq!(first.written.pack.unwrap().size, first.blob.size, "nothing was known");
    let (second, second_runs) = write(store, &index, &tree);
    assert_eq!((second.blob.digest, second.blob.diff_id), (first.blob.digest, first.blob.diff_id));
    assert_eq!((second.written.pack, second.written.bytes_new, second.written.new.len()), (None, 0, 0));
    assert!(second.chunks.iter().all(|used| matches!(used, ChunkUse::Known(_))));
    assert_eq!(second_runs, first_runs);
    assert_eq!(store.list_packs().await.unwrap().len(), 1);
}

pub async fn content_met_twice_is_stored_once(store: &Store) {
    let index = Index::new();
    let content = noise("twice", 200_000);
    let once = vec![("a".into(), content.clone())];
    let twice = vec![("a".into(), content.clone()), ("b".into(), content)];
    let alone = try_write(store, &index, &once).unwrap().written.bytes_new;
    let (layer, _) = write(store, &index, &twice);
    assert!(layer.blob.size > 390_000, "noise does not compress: {}", layer.blob.size);
    assert!(layer.written.bytes_new < alone + 2_000, "{} for one, {:?}", alone, layer.written.pack);
}

pub async fn layers_of_one_import_share_a_pack(store: &Store) {
    let (first, second) =
        (small_files(50), [small_files(50), vec![("more".into(), noise("more", 9_000))]].concat());
    let intake = store.intake(PackId::new(), Codec::default(), Index::new()).unwrap();
    let taken = [&first, &second].map(|tree| take(&intake, tree, None).unwrap());
    let written = intake.finish().unwrap();
    for ((blob, chunks), tree) in taken.iter().zip([&first, &second]) {
        let alone = try_write(store, &Index::new(), tree).unwrap();
        assert_eq!((blob, chunks.len()), (&alone.blob, alone.chunks.len()));
    }
    assert!(written.bytes_new < taken[0].0.size + taken[1].0.size - 5_000, "{}", written.bytes_new);
}

/// Whoever begins with the same chunks goes on where another stood, and reads none of them.
pub async fn a_checkpoint_spares_what_is_before_it(store: &Store) {
    let index = Index::new();
    let mut tree = small_files(400);
    let (first, _) = write(store, &index, &tree);
    let half = first.blob.marks[first.blob.marks.len() / 2].clone();
    tree.push(("more".into(), noise("more", 30_000)));
    let (whole, _) = write(store, &index, &tree);
    let intake = store.intake(PackId::new(), Codec::default(), index.clone()).unwrap();
    let (resumed, _) = take(&intake, &tree, Some(&half)).unwrap();
    assert_eq!((resumed.digest, resumed.diff_id), (whole.blob.digest, whole.blob.diff_id));
    assert_eq!((resumed.size, resumed.plain), (whole.blob.size, whole.blob.plain));
    assert_eq!(resumed.marks.len() + half.chunks, whole.blob.marks.len(), "only what is behind it");
}

pub async fn every_batch_is_proved_once(store: &Store) {
    let index = Index::new();
    let mut tree = small_files(200);
    tree.push(("big".into(), noise("big", 90_000)));
    let (first, _) = write(store, &index, &tree);
    let proved = first.written.new.iter().filter(|new| new.proof.is_some()).count();

    assert!(proved > 5 && proved < first.written.new.len(), "{proved}");
    index.change(|row| row.proven = false);
    let (second, _) = write(store, &index, &tree);
    assert_eq!(second.written.proofs.len(), proved, "what lost its proof gets one");
    assert_eq!(prove()(b"plain").unwrap().digest, *blake3::hash(b"plain").as_bytes());
}

pub async fn memory_stays_within_its_bound(store: &Store) {
    let size = 32 << 20;
    let intake = store.intake(PackId::new(), Codec::Gzip { level: 6 }, Index::new()).unwrap();
    let key = blake3::Hasher::new().finalize_xof();
    intake.large(&mut key.take(size), size).unwrap();
    let written = intake.finish().unwrap();
    assert!(written.bytes_new > size, "noise does not compress");
    assert!(written.peak_bytes <= 2 << 20, "{}", written.peak_bytes);
    assert!(written.peak_bytes > 400_000, "the figure counts what is in flight: {}", written.peak_bytes);
}

pub async fn a_dropped_intake_leaves_nothing(store: &Store) {
    let intake = store.intake(PackId::new(), Codec::default(), Index::new()).unwrap();
    intake.large(&mut noise("a", 4 << 20).as_slice(), 4 << 20).unwrap();
    // More than memory holds was taken, so some of it must be in the pack by now.
    let unfinished = store.list_packs().await.unwrap();
    assert_eq!(unfinished.iter().map(|pack| pack.finished).collect::<Vec<_>>(), [false]);
    drop(intake);
    assert_eq!(store.list_packs().await.unwrap(), []);
}

pub async fn nothing_taken_in_is_no_pack(store: &Store) {
    let layer = try_write(store, &Index::new(), &Vec::new()).unwrap();
    assert_eq!((layer.blob.size, layer.blob.plain, layer.written.pack), (0, 0, None));
    assert_eq!(layer.blob.digest, layer.blob.diff_id);
}

pub async fn a_pack_id_is_used_once(store: &Store) {
    let id = PackId::new();
    let write = |seed: &str| {
        let intake = store.intake(id, Codec::default(), Index::new())?;
        intake.large(&mut noise(seed, 1000).as_slice(), 1000)?;
        intake.finish()
    };
    let first = write("first").unwrap();
    assert_eq!(write("second").unwrap_err().code(), "store.io");
    let packs = store.list_packs().await.unwrap();
    assert_eq!((packs.len(), packs[0].id, packs[0].size), (1, id, first.bytes_new));
}
