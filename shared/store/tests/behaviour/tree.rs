//! Trees to write, and the tar-like stream they make.

use crate::index::Index;
use std::{io::Cursor, sync::Arc};
use store::{ChunkUse, Codec, Error, LayerWriter, NewChunk, PackId, Run, Store, Written, WrittenPack};

pub type Tree = Vec<(String, Vec<u8>)>;

/// What the test settings call a large file.
pub const BIG: usize = 4 << 10;

/// Bytes that look like nothing, the same for the same seed.
pub fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Bytes that compress about four to one.
pub fn text(seed: &str, length: usize) -> Vec<u8> {
    noise(seed, length / 4 + 1)
        .iter()
        .flat_map(|byte| [b'a' + byte % 16, b' ', b'x', b'a' + byte / 16])
        .take(length)
        .collect()
}

pub fn small_files(count: usize) -> Tree {
    (0..count)
        .map(|i| {
            let name = format!("usr/share/app/{i}.txt");
            let length = usize::from(noise(&name, 1)[0]) * 11;
            let content = text(&name, length);
            (name, content)
        })
        .collect()
}

fn header(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = format!("{name}\0{}", content.len()).into_bytes();
    header.resize(512, 0);
    header
}

fn padding(content: &[u8]) -> Vec<u8> {
    vec![0; content.len().next_multiple_of(512) - content.len()]
}

pub fn plain(tree: &Tree) -> Vec<u8> {
    tree.iter()
        .flat_map(|(name, content)| [header(name, content), content.clone(), padding(content)].concat())
        .collect()
}

pub fn feed(writer: &mut LayerWriter, tree: &Tree) -> Result<(), Error> {
    for (name, content) in tree {
        writer.boundary(name.as_bytes())?;
        writer.bytes(&header(name, content))?;
        if content.len() >= BIG {
            writer.big(&mut Cursor::new(content), content.len() as u64)?;
        } else {
            writer.bytes(content)?;
        }
        writer.bytes(&padding(content))?;
    }
    Ok(())
}

/// What was written when that was one layer.
#[derive(Debug)]
pub struct Layer {
    pub diff_id: [u8; 32],
    pub digest: [u8; 32],
    pub size: u64,
    pub plain_size: u64,
    pub chunks: Vec<ChunkUse>,
    pub new: Vec<NewChunk>,
    pub pack: Option<WrittenPack>,
    pub bytes_new: u64,
    pub peak_bytes: usize,
}

/// The one layer that was written.
pub fn only(written: Written) -> Layer {
    let Written { mut layers, new, pack, bytes_new, peak_bytes, .. } = written;
    assert_eq!(layers.len(), 1);
    let layer = layers.remove(0);
    Layer {
        diff_id: layer.diff_id,
        digest: layer.digest,
        size: layer.size,
        plain_size: layer.plain_size,
        chunks: layer.chunks,
        new,
        pack,
        bytes_new,
        peak_bytes,
    }
}

pub fn write_as(store: &Store, index: &Arc<Index>, tree: &Tree, codec: Codec) -> Result<Layer, Error> {
    let mut writer = store.layer_writer(PackId::new(), codec, index.clone())?;
    feed(&mut writer, tree)?;
    writer.finish().map(only)
}

pub fn try_write(store: &Store, index: &Arc<Index>, tree: &Tree) -> Result<Layer, Error> {
    write_as(store, index, tree, Codec::default())
}

/// Writes and commits.
pub fn write(store: &Store, index: &Arc<Index>, tree: &Tree) -> (Layer, Vec<Run>) {
    let layer = try_write(store, index, tree).unwrap();
    let runs = index.commit(&layer);
    (layer, runs)
}
