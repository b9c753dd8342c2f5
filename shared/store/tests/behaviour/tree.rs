//! Trees to write, and the tar-like stream they make.

use crate::index::Index;
use std::sync::Arc;
use store::{
    Assembled, Checkpoint, Chunk, ChunkUse, Codec, Error, Intake, Large, PackId, Part, Prove, Proved, Run,
    Store, Written,
};

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

/// What was written when that was one layer.
#[derive(Debug)]
pub struct Layer {
    pub blob: Assembled,
    pub chunks: Vec<ChunkUse>,
    pub written: Written,
}

impl Layer {
    pub fn reused(&self) -> f64 {
        1.0 - self.written.bytes_new as f64 / self.blob.size as f64
    }
}

/// One place of a blob.
enum Piece<'a> {
    Batch(Vec<u8>),
    Large(&'a [u8]),
}

/// Headers and small files in batches of about 16 KiB, large files alone.
fn pieces(tree: &Tree) -> Vec<Piece<'_>> {
    let (mut pieces, mut batch) = (Vec::new(), Vec::new());
    for (name, content) in tree {
        batch.extend(header(name, content));
        let large = content.len() >= BIG;
        if !large {
            batch.extend([content.clone(), padding(content)].concat());
        }
        if large || batch.len() >= 16 << 10 {
            pieces.push(Piece::Batch(std::mem::take(&mut batch)));
        }
        if large {
            pieces.push(Piece::Large(content));
        }
    }
    pieces.push(Piece::Batch(batch));
    pieces.retain(|piece| !matches!(piece, Piece::Batch(batch) if batch.is_empty()));
    pieces
}

/// A batch here is known by its plain bytes.
pub fn prove() -> Arc<Prove> {
    Arc::new(|plain: &[u8]| {
        let digest = *blake3::hash(plain).as_bytes();
        Ok(Proved { digest, proof: plain.len().to_le_bytes().to_vec() })
    })
}

/// Takes a tree in, and assembles it from a checkpoint on.
pub fn take(
    intake: &Intake,
    tree: &Tree,
    from: Option<&Checkpoint>,
) -> Result<(Assembled, Vec<Chunk>), Error> {
    let mut parts = Vec::new();
    let mut fresh = Vec::new();
    for piece in pieces(tree) {
        match piece {
            Piece::Batch(plain) => {
                let digest = *blake3::hash(&plain).as_bytes();
                let known = intake.find(&[digest])?[0];
                let chunk = match known {
                    Some(chunk) => chunk,
                    None => {
                        let (chunk, mine) = intake.enter(digest, plain.len())?;
                        fresh.extend(mine.then_some((chunk, plain)));
                        chunk
                    }
                };
                parts.push(Part { chunk, large: None, mark: true });
            }
            Piece::Large(content) => {
                let (digest, size) = (*blake3::hash(content).as_bytes(), content.len() as u64);
                let keys = intake.large(&mut &content[..], size)?;
                let chunks = intake.find(&keys)?;
                let end = chunks.len() - 1;
                parts.extend(chunks.into_iter().enumerate().map(|(at, chunk)| {
                    let large = Large { digest, size, ends: (at == 0, at == end), proven: false };
                    Part { chunk: chunk.expect("it was just taken in"), large: Some(large), mark: false }
                }));
            }
        }
    }
    let chunks = parts.iter().map(|part| part.chunk).collect();
    std::thread::scope(|scope| {
        let assembled = scope.spawn(|| intake.assemble(&parts, from, &prove()));
        for (chunk, plain) in fresh {
            intake.write(chunk, |out| {
                out.extend_from_slice(&plain);
                Ok(())
            })?;
        }
        Ok((assembled.join().unwrap()?, chunks))
    })
}

pub fn write_as(store: &Store, index: &Arc<Index>, tree: &Tree, codec: Codec) -> Result<Layer, Error> {
    let intake = store.intake(PackId::new(), codec, index.clone())?;
    let (blob, chunks) = take(&intake, tree, None)?;
    let written = intake.finish()?;
    let chunks = chunks.into_iter().map(|chunk| written.use_of(chunk).unwrap()).collect();
    Ok(Layer { blob, chunks, written })
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
