//! One flat layer: model, plan, pieces, and what is kept of it for the next import.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use chassis::Halt;
use db::store::SavedLayer;
use flatten::{Cuts, Flat, INDEX_VERSION, Piece, Plan, Tree, prove};
use model::Failure;
use oci::limits::Limits;
use store::{Assembled, Checkpoint, Chunk, Codec, Intake, Prove, Proved, Store};

use super::failed::{emit_failed, store_failed};
use super::layers::ReadLayer;
use super::pieces::{Content, Fresh, Pieces, Resolved, Stored, resolve};
use crate::chunks::Chunks;

/// A flat layer whose chunks are all in the intake.
pub(super) struct FlatLayer {
    pub(super) flat: Flat,
    pub(super) warnings: Vec<String>,
    pub(super) blob: Assembled,
    pub(super) chunks: Vec<Chunk>,
    pub(super) contents: Vec<Content>,
    /// Where it began from, and the states on the way.
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) layers: Vec<SavedLayer>,
}

/// What became of the layers.
pub(super) enum Made {
    /// A flat layer.
    Flat(Box<FlatLayer>),
    /// Contents of these are gone: they must be read again.
    Lacking(BTreeSet<usize>),
}

/// What flattening one platform's image needs.
pub(super) struct Bench {
    pub(super) intake: Arc<Intake>,
    pub(super) chunks: Chunks,
    pub(super) codec: Codec,
    pub(super) cuts: Cuts,
    pub(super) limits: Limits,
}

impl Bench {
    pub(super) fn cuts(store: &Store) -> Cuts {
        let store::ChunkSizes { min, average, max } = store.sizes();
        Cuts { min, average, max }
    }

    /// Applies the layers, plans the result, writes what the store lacks of it, and hashes it. Blocking.
    pub(super) fn flatten(&self, layers: &[ReadLayer]) -> Result<Made, Halt> {
        let mut tree = Tree::new(self.limits.clone());
        for (place, layer) in layers.iter().enumerate() {
            tree.apply(&layer.index).map_err(|e| {
                Failure::permanent(e.code(), format!("Layer {} ({}): {e}", place + 1, layer.name))
            })?;
        }
        let mut plan = Plan::of(&tree, self.cuts);
        let pieces = match resolve(&plan, &self.intake, &self.chunks, self.codec)? {
            Resolved::All(pieces) => pieces,
            Resolved::Lacking(layers) => return Ok(Made::Lacking(layers)),
        };
        let from = self.checkpoint(&pieces)?;
        let prove = prover();
        let (flat, layers, blob) = std::thread::scope(|scope| {
            let assemble = scope.spawn(|| self.intake.assemble(&pieces.parts, from.as_ref(), &prove));
            let written = self.write(&mut plan, &pieces);
            let flat = plan.flat();
            let kept = keep(layers, &plan, &pieces);
            let blob = assemble.join().map_err(|_| super::thread_ended())?;
            written?;
            Ok::<_, Halt>((flat, kept.map_err(|e| emit_failed(&e))?, blob.map_err(|e| store_failed(&e))?))
        })?;
        if flat.plain != blob.plain {
            let told = "The flat layer is not as long as it was planned.";
            return Err(Failure::permanent("internal.plan", told).into());
        }
        let Pieces { parts, contents, .. } = pieces;
        let checkpoints = from.into_iter().chain(blob.marks.iter().cloned()).collect();
        let chunks = parts.iter().map(|part| part.chunk).collect();
        let warnings = tree.warnings();
        let layer = FlatLayer { flat, warnings, blob, chunks, contents, checkpoints, layers };
        Ok(Made::Flat(Box::new(layer)))
    }

    /// The furthest place where an image with the same first chunks stood.
    fn checkpoint(&self, pieces: &Pieces) -> Result<Option<Checkpoint>, Halt> {
        let mut ids = Vec::new();
        let mut marks = Vec::new();
        for part in &pieces.parts {
            let Some(id) = self.intake.known(part.chunk).map_err(|e| store_failed(&e))? else { break };
            ids.push(id);
            if part.mark {
                marks.push(ids.len());
            }
        }
        if marks.is_empty() {
            return Ok(None);
        }
        Ok(self.chunks.checkpoint(&ids, &marks)?)
    }

    fn write(&self, plan: &mut Plan<'_, '_>, pieces: &Pieces) -> Result<(), Halt> {
        let mut stored = Stored::new(&self.intake, &pieces.sources);
        for Fresh { chunk, entries, last } in &pieces.fresh {
            let fill = |out: &mut Vec<u8>| plan.fill(entries.clone(), *last, &mut stored, out);
            self.intake.write(*chunk, fill).map_err(|error| match error {
                store::Error::Content(error) => emit_failed(&error),
                other => store_failed(&other),
            })?;
        }
        Ok(())
    }
}

fn prover() -> Arc<Prove> {
    Arc::new(|plain: &[u8]| {
        let proof = prove(plain)?;
        Ok(Proved { digest: proof.key, proof: proof.bytes })
    })
}

/// The layers as they are kept: those read now, and those whose contents went into batches of now.
fn keep(layers: &[ReadLayer], plan: &Plan<'_, '_>, pieces: &Pieces) -> io::Result<Vec<SavedLayer>> {
    let key_of = |piece: u32| match plan.pieces().get(piece as usize) {
        Some(Piece::Batch { key, .. }) => Some(*key),
        _ => None,
    };
    let mut kept = Vec::new();
    for (place, layer) in layers.iter().enumerate() {
        let body = || layer.index.encode(plan.homes(place), key_of);
        if let Some(id) = layer.known {
            let moved = pieces.touched.contains(&place);
            kept.push(if moved { SavedLayer::Moved(id, body()?) } else { SavedLayer::Known(id) });
            continue;
        }
        // What has no digest of its own cannot be recognised without reading it.
        let Some(blob) = &layer.blob else { continue };
        kept.push(SavedLayer::New {
            blob: blob.to_string(),
            diff_id: oci::digest::Digest::from_sha256(layer.index.diff_id).to_string(),
            version: INDEX_VERSION,
            body: body()?,
        });
    }
    Ok(kept)
}
