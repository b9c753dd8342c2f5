//! Reading blobs by their runs.

use crate::{
    index::Index,
    local,
    tree::{noise, small_files, write},
};
use bytes::Bytes;
use futures::TryStreamExt;
use std::{fs::OpenOptions, io::Read, ops::Range, path::Path};
use store::{Error, PackId, Run, Store};

pub async fn read(store: &Store, runs: &[Run], range: Range<u64>) -> Result<Vec<u8>, Error> {
    let pieces: Vec<Bytes> = store.read(runs.to_vec(), range).await?.try_collect().await.unwrap();
    Ok(pieces.concat())
}

pub fn read_blocking(store: &Store, runs: &[Run]) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.reader(runs).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

pub async fn any_range_of_many_packs(store: &Store) {
    let index = Index::new();
    let mut tree = small_files(200);
    write(store, &index, &tree);
    for i in 0..5 {
        tree.insert(i * 40, (format!("more/{i}"), noise(&format!("more/{i}"), 700_000)));
        write(store, &index, &tree);
    }
    let (layer, runs) = write(store, &index, &tree);
    assert_eq!(layer.written.pack, None);
    assert!(runs.len() > 8, "the blob is spread over packs: {}", runs.len());
    let all = read_blocking(store, &runs);
    assert_eq!(all.len() as u64, layer.blob.size);
    let edge = runs[0].length;
    let end = layer.blob.size;
    for range in [0..0, 0..1, 0..end, edge - 1..edge + 1, edge..edge, 1000..3_000_000, end - 1..end, end..end]
    {
        let expected = &all[range.start as usize..range.end as usize];
        assert!(read(store, &runs, range.clone()).await.unwrap() == expected, "{range:?}");
    }
}

pub async fn a_recipe_too_short_is_damage(store: &Store) {
    let (layer, runs) = write(store, &Index::new(), &small_files(20));
    assert_eq!(read(store, &runs, 0..layer.blob.size + 1).await.unwrap_err().code(), "store.damaged");
    let long: Vec<Run> = runs.iter().map(|run| Run { length: run.length + 1, ..*run }).collect();
    assert_eq!(read(store, &long, 0..layer.blob.size + 1).await.unwrap_err().code(), "store.damaged");
    let wrapped = [Run { offset: u64::MAX, ..runs[0] }];
    assert_eq!(store.reader(&wrapped).err().unwrap().code(), "store.damaged");
}

pub async fn a_missing_pack_is_damage(store: &Store) {
    let gone = [Run { pack: PackId::new(), offset: 0, length: 1 }];
    let error = read(store, &gone, 0..1).await.unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("store.damaged", true));
    assert_eq!(store.reader(&gone).err().unwrap().code(), "store.damaged");
}

#[tokio::test]
async fn a_pack_cut_short_is_found_before_the_first_byte() {
    let (directory, store) = local();
    let (layer, runs) = write(&store, &Index::new(), &small_files(2));
    OpenOptions::new()
        .write(true)
        .open(only_pack(directory.path()))
        .unwrap()
        .set_len(layer.blob.size - 1)
        .unwrap();
    assert_eq!(read(&store, &runs, 0..layer.blob.size).await.unwrap_err().code(), "store.damaged");
    assert_eq!(read(&store, &runs, 0..layer.blob.size - 1).await.unwrap().len() as u64, layer.blob.size - 1);
}

#[tokio::test]
async fn a_pack_cut_short_meanwhile_ends_the_stream_with_an_error() {
    let (directory, store) = local();
    let tree = vec![("big".into(), noise("big", 5 << 20))];
    let (layer, runs) = write(&store, &Index::new(), &tree);
    let mut stream = store.read(runs, 0..layer.blob.size).await.unwrap();
    assert!(stream.try_next().await.unwrap().is_some());
    OpenOptions::new().write(true).open(only_pack(directory.path())).unwrap().set_len(0).unwrap();
    let mut more = 0;
    let error = loop {
        match stream.try_next().await {
            Ok(Some(_)) => more += 1,
            Ok(None) => panic!("a short answer looks like a whole one"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(more <= 3, "read ahead is bounded: {more}");
    assert!(stream.try_next().await.unwrap().is_none(), "nothing follows an error");
}

fn only_pack(root: &Path) -> std::path::PathBuf {
    let shard = std::fs::read_dir(root.join("packs")).unwrap().next().unwrap().unwrap();
    std::fs::read_dir(shard.path()).unwrap().next().unwrap().unwrap().path()
}
