//! From a plan to chunks: which pieces are there, which are to be written, and which layers must be read after all.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::Range;

use chassis::Halt;
use flatten::{Keep, Piece, Place, Plan};
use store::{Chunk, Codec, Intake, Large, Part};

use super::failed::store_failed;
use crate::chunks::Chunks;

/// The states of the hashes are kept after each so many chunks, besides the ends of layers.
const MARK_EVERY: usize = 16;

/// A batch that is written now.
pub(super) struct Fresh {
    pub(super) chunk: Chunk,
    pub(super) entries: Range<u32>,
    pub(super) last: bool,
}

/// A large content of the layer.
pub(super) struct Content {
    pub(super) digest: [u8; 32],
    pub(super) size: u64,
    pub(super) chunks: Vec<Chunk>,
    pub(super) proven: bool,
}

/// What a plan comes to in this store.
#[derive(Default)]
pub(super) struct Pieces {
    pub(super) parts: Vec<Part>,
    pub(super) fresh: Vec<Fresh>,
    pub(super) contents: Vec<Content>,
    /// Chunks that contents are taken from.
    pub(super) sources: HashMap<[u8; 32], Chunk>,
    /// Layers whose contents go into fresh batches.
    pub(super) touched: BTreeSet<usize>,
}

/// What became of it.
pub(super) enum Resolved {
    /// Everything is there or can be written.
    All(Pieces),
    /// Contents of these layers are gone: they must be read again.
    Lacking(BTreeSet<usize>),
}

/// Asks for every piece of a plan at once.
pub(super) fn resolve(
    plan: &Plan<'_, '_>,
    intake: &Intake,
    chunks: &Chunks,
    codec: Codec,
) -> Result<Resolved, Halt> {
    let mut pieces = Pieces::default();
    let mut wanted: Vec<[u8; 32]> = Vec::new();
    let mut lacking = BTreeSet::new();
    for piece in plan.pieces() {
        match piece {
            Piece::Batch { key, .. } => wanted.push(*key),
            Piece::Large { content, layer } => wanted.extend_from_slice(keys(plan, content, *layer)),
        }
    }
    let found = find(intake, &wanted)?;
    pieces.sources = sources(plan, intake, &found, &mut lacking)?;
    for piece in plan.pieces() {
        if let Piece::Large { content, layer } = piece {
            let keys = keys(plan, content, *layer);
            if keys.is_empty() || !keys.iter().all(|key| found.contains_key(key)) {
                lacking.insert(*layer);
            }
        }
    }
    if !lacking.is_empty() {
        return Ok(Resolved::Lacking(lacking));
    }
    for piece in plan.pieces() {
        pieces.add(plan, piece, intake, &found)?;
    }
    pieces.prove(intake, chunks, codec)?;
    Ok(Resolved::All(pieces))
}

/// Keys of the chunks of a large content; none if nobody knows them.
fn keys<'k>(plan: &'k Plan<'_, '_>, content: &flatten::Content, layer: usize) -> &'k [[u8; 32]] {
    plan.large(content, layer).unwrap_or_default()
}

fn find(intake: &Intake, keys: &[[u8; 32]]) -> Result<HashMap<[u8; 32], Chunk>, Halt> {
    let found = intake.find(keys).map_err(|e| store_failed(&e))?;
    Ok(keys.iter().zip(found).filter_map(|(key, chunk)| Some((*key, chunk?))).collect())
}

/// The chunks in which the contents of batches that are to be written lie, where they lie in chunks.
fn sources(
    plan: &Plan<'_, '_>,
    intake: &Intake,
    found: &HashMap<[u8; 32], Chunk>,
    lacking: &mut BTreeSet<usize>,
) -> Result<HashMap<[u8; 32], Chunk>, Halt> {
    let mut keys: HashMap<[u8; 32], BTreeSet<usize>> = HashMap::new();
    for piece in plan.pieces() {
        let Piece::Batch { entries, key, .. } = piece else { continue };
        if found.contains_key(key) {
            continue;
        }
        plan.contents(entries.clone(), |layer, place, key| match (place, key) {
            (Place::Spooled(_), _) => {}
            (Place::Batch(..), Some(key)) => {
                keys.entry(*key).or_default().insert(layer);
            }
            _ => {
                lacking.insert(layer);
            }
        });
    }
    let wanted: Vec<[u8; 32]> = keys.keys().copied().collect();
    let there = find(intake, &wanted)?;
    for (key, layers) in keys {
        if !there.contains_key(&key) {
            lacking.extend(layers);
        }
    }
    Ok(there)
}

impl Pieces {
    fn add(
        &mut self,
        plan: &Plan<'_, '_>,
        piece: &Piece,
        intake: &Intake,
        found: &HashMap<[u8; 32], Chunk>,
    ) -> Result<(), Halt> {
        match piece {
            Piece::Batch { entries, key, size, layer_ends, last } => {
                let chunk = match found.get(key) {
                    Some(chunk) => *chunk,
                    None => {
                        let (chunk, mine) = intake.enter(*key, *size).map_err(|e| store_failed(&e))?;
                        if mine {
                            self.fresh.push(Fresh { chunk, entries: entries.clone(), last: *last });
                            plan.contents(entries.clone(), |layer, _, _| {
                                self.touched.insert(layer);
                            });
                        }
                        chunk
                    }
                };
                self.part(chunk, None, *layer_ends);
            }
            Piece::Large { content, layer } => {
                let keys = keys(plan, content, *layer);
                let chunks: Vec<Chunk> = keys.iter().filter_map(|key| found.get(key).copied()).collect();
                let end = chunks.len().saturating_sub(1);
                for (place, chunk) in chunks.iter().enumerate() {
                    let ends = (place == 0, place == end);
                    let large = Large { digest: content.digest, size: content.size, ends, proven: false };
                    self.part(*chunk, Some(large), false);
                }
                let (digest, size) = (content.digest, content.size);
                self.contents.push(Content { digest, size, chunks, proven: false });
            }
        }
        Ok(())
    }

    fn part(&mut self, chunk: Chunk, large: Option<Large>, layer_ends: bool) {
        let mark = layer_ends || (self.parts.len() + 1).is_multiple_of(MARK_EVERY);
        self.parts.push(Part { chunk, large, mark });
    }

    /// What was proved to be these chunks before needs no second proof.
    fn prove(&mut self, intake: &Intake, chunks: &Chunks, codec: Codec) -> Result<(), Halt> {
        let mut known = Vec::new();
        for content in &self.contents {
            let ids: Result<Vec<Option<i64>>, _> = content.chunks.iter().map(|c| intake.known(*c)).collect();
            let ids = ids.map_err(|e| store_failed(&e))?;
            known.push(ids.into_iter().collect::<Option<Vec<i64>>>());
        }
        let all_known = self.contents.iter().zip(&known).filter(|(_, ids)| ids.is_some());
        let digests: Vec<[u8; 32]> = all_known.map(|(content, _)| content.digest).collect();
        if digests.is_empty() {
            return Ok(());
        }
        let proven = chunks.contents(&digests, codec)?;
        for (content, ids) in self.contents.iter_mut().zip(known) {
            content.proven = ids.is_some_and(|ids| proven.get(&content.digest) == Some(&ids));
        }
        let proven: BTreeSet<[u8; 32]> =
            self.contents.iter().filter(|content| content.proven).map(|content| content.digest).collect();
        for part in &mut self.parts {
            if let Some(large) = part.large.as_mut().filter(|large| proven.contains(&large.digest)) {
                large.proven = true;
            }
        }
        Ok(())
    }
}

/// Chunks held decompressed: neighbours in a batch mostly come from one.
const HELD: usize = 4;

/// Contents that are in chunks of the store.
pub(super) struct Stored<'a> {
    pub(super) intake: &'a Intake,
    pub(super) sources: &'a HashMap<[u8; 32], Chunk>,
    held: Vec<([u8; 32], Vec<u8>)>,
}

impl<'a> Stored<'a> {
    pub(super) fn new(intake: &'a Intake, sources: &'a HashMap<[u8; 32], Chunk>) -> Self {
        Self { intake, sources, held: Vec::new() }
    }
}

impl Keep for Stored<'_> {
    fn read(&mut self, key: &[u8; 32], at: u32, size: usize, out: &mut Vec<u8>) -> io::Result<()> {
        let place = match self.held.iter().position(|(held, _)| held == key) {
            Some(place) => place,
            None => {
                let chunk = self.sources.get(key).ok_or(io::ErrorKind::NotFound)?;
                let plain = self.intake.plain(*chunk)?;
                if self.held.len() >= HELD {
                    self.held.remove(0);
                }
                self.held.push((*key, plain));
                self.held.len() - 1
            }
        };
        let plain = self.held.get(place).map(|(_, plain)| plain.as_slice()).unwrap_or_default();
        let bytes = plain.get(at as usize..).and_then(|rest| rest.get(..size));
        out.extend_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
