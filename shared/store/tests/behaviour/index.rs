//! An index in memory, in the place of the database.

use crate::tree::Layer;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use store::{ChunkIndex, ChunkKey, ChunkUse, Located, Run, merge_runs};

#[derive(Default)]
pub struct Index(Mutex<HashMap<ChunkKey, Located>>);

impl Index {
    pub fn new() -> Arc<Index> {
        Arc::default()
    }

    /// What the import's final transaction does; returns the blob's runs.
    pub fn commit(&self, layer: &Layer) -> Vec<Run> {
        let mut rows = self.0.lock().unwrap();
        for new in &layer.written.new {
            let chunk = rows.len() as i64 + 1;
            let pack = layer.written.pack.expect("new chunks have a pack").id;
            let (offset, length, plain, proven) = (new.offset, new.length, new.plain, new.proof.is_some());
            let row = Located { chunk, pack, offset, length, plain, proven };
            assert_eq!(rows.insert(new.key, row), None, "a known chunk was written again");
        }
        let by_id: HashMap<i64, Located> = rows.values().map(|row| (row.chunk, *row)).collect();
        merge_runs(layer.chunks.iter().map(|used| match used {
            ChunkUse::Known(id) => by_id[id].into(),
            ChunkUse::New(at) => rows[&layer.written.new[*at].key].into(),
        }))
    }

    pub fn change(&self, change: impl Fn(&mut Located)) {
        self.0.lock().unwrap().values_mut().for_each(change);
    }
}

impl ChunkIndex for Index {
    fn find(&self, keys: &[ChunkKey]) -> anyhow::Result<Vec<Option<Located>>> {
        let rows = self.0.lock().unwrap();
        Ok(keys.iter().map(|key| rows.get(key).copied()).collect())
    }
}
