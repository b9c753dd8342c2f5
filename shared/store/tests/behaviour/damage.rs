//! Failures come out with their cause, and leave nothing behind.

use crate::{
    index::Index,
    tree::{noise, small_files, try_write, write},
};
use std::{
    io::{self, Read},
    sync::Arc,
};
use store::{ChunkIndex, ChunkKey, Codec, Error, Located, PackId, Store};

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::InvalidData, "tar.truncated"))
    }
}

impl ChunkIndex for Broken {
    fn find(&self, _: &[ChunkKey]) -> anyhow::Result<Vec<Option<Located>>> {
        anyhow::bail!("connection refused")
    }
}

pub async fn a_failing_reader_comes_out_as_it_was(store: &Store) {
    let start = || store.layer_writer(PackId::new(), Codec::default(), Index::new()).unwrap();
    let mut writer = start();
    let good = noise("good", 100_000);
    let error = writer.big(&mut good.as_slice().chain(Broken), 200_000).unwrap_err();
    assert_eq!(error.code(), "store.content");
    assert_eq!(io::Error::from(error).to_string(), "tar.truncated");
    assert_eq!(writer.bytes(b"more").unwrap_err().code(), "store.stopped");
    assert_eq!(writer.finish().unwrap_err().code(), "store.stopped");

    let mut writer = start();
    match writer.big(&mut good.as_slice(), 100_001).unwrap_err() {
        Error::Content(error) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
        other => panic!("{other:?}"),
    }
    // The writer still exists, and what it wrote is already gone.
    assert_eq!(store.list_packs().await.unwrap(), []);
    drop(writer);
}

pub async fn a_failing_index_ends_the_layer(store: &Store) {
    let mut writer = store.layer_writer(PackId::new(), Codec::default(), Arc::new(Broken)).unwrap();
    writer.bytes(b"small enough to wait").unwrap();
    let error = writer.finish().unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("store.index", false));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "connection refused");
}

pub async fn a_known_chunk_whose_pack_is_gone_is_damage(store: &Store) {
    let index = Index::new();
    let mut tree = small_files(500);
    let (layer, _) = write(store, &index, &tree);
    store.delete_pack(layer.pack.unwrap().id).await.unwrap();
    tree.insert(0, ("first".into(), noise("first", 300_000)));
    let error = try_write(store, &index, &tree).unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("store.damaged", true));
    assert_eq!(store.list_packs().await.unwrap(), []);
}

pub async fn an_index_that_lies_is_damage(store: &Store) {
    let lies: [fn(&mut Located); 4] = [
        |row| row.plain += 1,
        |row| row.length = u32::MAX,
        |row| row.offset += 1 << 30,
        |row| row.offset = u64::MAX,
    ];
    for lie in lies {
        let index = Index::new();
        let tree = small_files(50);
        write(store, &index, &tree);
        index.change(lie);
        assert_eq!(try_write(store, &index, &tree).unwrap_err().code(), "store.damaged");
    }
}
