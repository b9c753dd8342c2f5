//! Reading layers: a few at once, each held to its digest and to the diff_id that the config claims.
//!
//! A layer index belongs to the pair of blob digest and diff_id that reading it has proved. Within an import a layer
//! that several images have, or one image twice, is read once; an image that claims another diff_id for the same blob
//! does not get it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chassis::{Halt, Job};
use flatten::{LayerIndex, read_layer};
use model::Failure;
use oci::digest::{Algorithm, Digest};
use oci::limits::{Budget, Limits};
use oci::source::{Image, Layer};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::failed::{layer_failed, thread_ended};
use crate::input::{Input, name, tell_progress};

/// Layers read at once.
const AT_ONCE: usize = 4;

/// Blob digest, where there is one, and diff_id.
type Pair = (Option<Digest>, Digest);

fn pair(layer: &Layer) -> Pair {
    (layer.digest.clone(), layer.diff_id.clone())
}

/// The layers of an import.
pub(super) struct Layers {
    budget: Budget,
    /// How often each is still needed.
    wanted: HashMap<Pair, usize>,
    /// Those that were read and are needed again.
    kept: HashMap<Pair, Arc<LayerIndex>>,
    /// How many were counted so far, and are in all: for progress.
    before: usize,
    all: usize,
}

impl Layers {
    /// For these images.
    pub(super) fn of(images: &[&Image], limits: Limits) -> Self {
        let mut wanted = HashMap::new();
        for layer in images.iter().flat_map(|image| &image.layers) {
            *wanted.entry(pair(layer)).or_default() += 1;
        }
        let all = images.iter().map(|image| image.layers.len()).sum();
        Self { budget: Budget::new(limits), wanted, kept: HashMap::new(), before: 0, all }
    }

    /// Reads the layers of the next image.
    pub(super) async fn read(
        &mut self,
        job: &Job,
        input: &Input,
        image: &Image,
    ) -> Result<Vec<Arc<LayerIndex>>, Halt> {
        let count = image.layers.len();
        let bytes: u64 = image.layers.iter().map(|layer| layer.size).sum();
        job.log.say(format!("Importing {count} layers, {bytes} bytes, for {}.", image.platform));
        let read: Vec<Arc<AtomicU64>> = image.layers.iter().map(|_| Arc::default()).collect();
        let progress = tell_progress(job, &image.layers, &read, self.before, self.all);
        tokio::select! {
            done = self.read_missing(job, input, image, &read) => done?,
            () = progress => return Err(thread_ended()),
        }
        self.before += count;
        image.layers.iter().map(|layer| self.take(&pair(layer)).ok_or_else(thread_ended)).collect()
    }

    async fn read_missing(
        &mut self,
        job: &Job,
        input: &Input,
        image: &Image,
        read: &[Arc<AtomicU64>],
    ) -> Result<(), Halt> {
        let mut places: Vec<usize> = Vec::new();
        for (place, layer) in image.layers.iter().enumerate() {
            let first = image.layers.iter().position(|other| pair(other) == pair(layer));
            if first == Some(place) && !self.kept.contains_key(&pair(layer)) {
                places.push(place);
            }
        }
        let mut waiting = places.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < AT_ONCE
                && let Some(place) = waiting.next()
            {
                let count = read.get(place).map(Arc::clone).unwrap_or_default();
                let (input, image) = (input.clone(), image.clone());
                let (budget, lost, runtime) = (self.budget.clone(), job.lost.clone(), Handle::current());
                running.spawn_blocking(move || {
                    let reader = input.reader(&image, place, count, lost, &runtime);
                    (place, read_layer(reader, &input.scratch, &budget))
                });
            }
            let Some(ended) = running.join_next().await else { return Ok(()) };
            let (place, result) = ended.map_err(|_| thread_ended())?;
            let Some(layer) = image.layers.get(place) else { continue };
            let index = result.map_err(|e| layer_failed(layer, place, &e))?;
            check(layer, place, &index)?;
            job.log.say(format!(
                "Layer {}/{} {}: {} entries, {} bytes unpacked.",
                place + 1,
                image.layers.len(),
                name(layer),
                index.entries(),
                index.plain
            ));
            self.kept.insert(pair(layer), Arc::new(index));
        }
    }

    /// A layer that was read; the last one who needs it takes it away.
    fn take(&mut self, pair: &Pair) -> Option<Arc<LayerIndex>> {
        let left = self.wanted.get_mut(pair)?;
        *left = left.saturating_sub(1);
        if *left == 0 { self.kept.remove(pair) } else { self.kept.get(pair).cloned() }
    }
}

/// What the config claims must be what the bytes are.
fn check(layer: &Layer, place: usize, index: &LayerIndex) -> Result<(), Halt> {
    let got = Digest::from_sha256(index.diff_id);
    if layer.diff_id == got {
        return Ok(());
    }
    let told = match layer.diff_id.algorithm() {
        Algorithm::Sha256 => {
            format!("layer {} has the diff_id {got}, the config claims {}", place + 1, layer.diff_id)
        }
        _ => format!(
            "the diff_id of layer {} is {}, and only sha256 is checked here",
            place + 1,
            layer.diff_id
        ),
    };
    Err(Failure::permanent("config.mismatch", format!("The config does not fit the image: {told}.")).into())
}
