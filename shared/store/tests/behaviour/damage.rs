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
    let intake = store.intake(PackId::new(), Codec::default(), Index::new()).unwrap();
    let good = noise("good", 100_000);
    let error = intake.large(&mut good.as_slice().chain(Broken), 200_000).unwrap_err();
    assert_eq!(error.code(), "store.content");
    assert_eq!(io::Error::from(error).to_string(), "tar.truncated");
    match intake.large(&mut good.as_slice(), 100_001).unwrap_err() {
        Error::Content(error) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
        other => panic!("{other:?}"),
    }
    // That was the reader's matter; a batch that cannot be filled is the intake's.
    let (chunk, _) = intake.enter([1; 32], 10).unwrap();
    let error = intake.write(chunk, |_| Err(io::ErrorKind::InvalidData.into())).unwrap_err();
    assert_eq!(error.code(), "store.content");
    assert_eq!(intake.finish().unwrap_err().code(), "store.stopped");
    drop(intake);
    assert_eq!(store.list_packs().await.unwrap(), []);
}

pub async fn a_failing_index_ends_the_import(store: &Store) {
    let intake = store.intake(PackId::new(), Codec::default(), Arc::new(Broken)).unwrap();
    let small = noise("small enough to wait", 5000);
    intake.large(&mut small.as_slice(), 5000).unwrap();
    let error = intake.finish().unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("store.index", false));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "connection refused");
    assert_eq!(intake.large(&mut small.as_slice(), 5000).unwrap_err().code(), "store.stopped");
}

pub async fn what_reads_back_as_something_else_is_damage(store: &Store) {
    let index = Index::new();
    let tree = vec![("a".into(), noise("a", 3000)), ("big".into(), noise("big", 90_000))];
    write(store, &index, &tree);
    let other: Arc<store::Prove> =
        Arc::new(|_: &[u8]| Ok(store::Proved { digest: [7; 32], proof: Vec::new() }));
    let intake = store.intake(PackId::new(), Codec::default(), Index::new()).unwrap();
    let (chunk, _) = intake.enter([8; 32], 100).unwrap();
    let fill = |out: &mut Vec<u8>| {
        out.resize(100, 1);
        Ok(())
    };
    intake.write(chunk, fill).unwrap();
    let part = store::Part { chunk, large: None, mark: false };
    assert_eq!(intake.assemble(&[part], None, &other).unwrap_err().code(), "store.damaged");
    let intake = store.intake(PackId::new(), Codec::default(), index).unwrap();
    let keys = intake.large(&mut noise("big", 90_000).as_slice(), 90_000).unwrap();
    let chunk = intake.find(&keys[..1]).unwrap()[0].unwrap();
    let large = store::Large { digest: [9; 32], size: 90_000, ends: (true, true), proven: false };
    let part = store::Part { chunk, large: Some(large), mark: false };
    assert_eq!(intake.assemble(&[part], None, &other).unwrap_err().code(), "store.damaged");
}

pub async fn a_known_chunk_whose_pack_is_gone_is_damage(store: &Store) {
    let index = Index::new();
    let mut tree = small_files(500);
    let (layer, _) = write(store, &index, &tree);
    store.delete_pack(layer.written.pack.unwrap().id).await.unwrap();
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
