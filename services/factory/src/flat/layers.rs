//! Reading layers: a few at once, each held to its digest and to the diff_id that the config claims.
//!
//! A layer index belongs to the pair of blob digest and diff_id that reading it has proved. A layer that several images of
//! an import have, or one image twice, is read once, and one that another image of the hub has is not read at all; an image
//! that claims another diff_id for the same blob does not get it.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use chassis::{Context, Halt, Job};
use flatten::{Hides, INDEX_VERSION, LargeFiles, LayerIndex, read_layer};
use model::{Failure, HubId};
use oci::digest::{Algorithm, Digest};
use oci::layer::LayerError;
use oci::limits::{Budget, Limits};
use oci::source::{Image, Layer};
use store::Intake;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::failed::{layer_failed, thread_ended};
use crate::input::{name, reader, tell_progress};

/// Layers read at once.
const AT_ONCE: usize = 3;

/// Bytes of a layer that is read at once whatever its place.
const SMALL: u64 = 1 << 20;

/// Blob digest, where there is one, and diff_id.
type Pair = (Option<Digest>, Digest);

fn pair(layer: &Layer) -> Pair {
    (layer.digest.clone(), layer.diff_id.clone())
}

/// A layer that was read.
#[derive(Clone)]
pub(super) struct ReadLayer {
    pub(super) index: Arc<LayerIndex>,
    /// What it is called in logs.
    pub(super) name: String,
    /// The digest of its bytes, where it has one.
    pub(super) blob: Option<Digest>,
    /// Its row, if it was known.
    pub(super) known: Option<i64>,
}

/// The layers of an import.
pub(super) struct Layers {
    budget: Budget,
    intake: Arc<Intake>,
    /// How often each is still needed.
    wanted: HashMap<Pair, usize>,
    /// Those that were read, or are known, and are needed again.
    kept: HashMap<Pair, ReadLayer>,
    /// How many were counted so far, and are in all: for progress.
    before: usize,
    all: usize,
    /// Layers are read again: everything in them is kept.
    again: bool,
}

impl Layers {
    /// For these images.
    pub(super) fn of(images: &[&Image], limits: Limits, intake: Arc<Intake>) -> Self {
        let mut wanted = HashMap::new();
        for layer in images.iter().flat_map(|image| &image.layers) {
            *wanted.entry(pair(layer)).or_default() += 1;
        }
        let all = images.iter().map(|image| image.layers.len()).sum();
        Self {
            budget: Budget::new(limits),
            intake,
            wanted,
            kept: HashMap::new(),
            before: 0,
            all,
            again: false,
        }
    }

    /// These images are flattened with layers that have come already.
    pub(super) fn adopt(&mut self, images: &[&Image], have: &HashMap<Digest, ReadLayer>) {
        for layer in images.iter().flat_map(|image| &image.layers) {
            *self.wanted.entry(pair(layer)).or_default() += 1;
            if let Some(read) = have.get(&layer.diff_id) {
                self.kept.insert(pair(layer), read.clone());
            }
        }
        self.all = images.iter().map(|image| image.layers.len()).sum();
    }

    /// Reads layers as they come from whoever makes them.
    pub(super) fn receiver(&self) -> Receiver {
        Receiver { budget: self.budget.clone(), intake: Arc::clone(&self.intake) }
    }

    /// A layer that an image of the hub has, whatever it came as, by its tar.
    pub(super) async fn known_tar(
        cx: &Context,
        hub: &HubId,
        diff_id: &Digest,
    ) -> Result<Option<ReadLayer>, Halt> {
        let text = diff_id.to_string();
        let Some(found) =
            cx.db.known_tars(hub, std::slice::from_ref(&text), INDEX_VERSION).await?.remove(&text)
        else {
            return Ok(None);
        };
        let read = tokio::task::spawn_blocking(move || LayerIndex::decode(&found.body)).await;
        let index = read.map_err(|_| thread_ended())?;
        Ok(index.filter(|index| Digest::from_sha256(index.diff_id) == *diff_id).map(|index| ReadLayer {
            index: Arc::new(index),
            name: text,
            blob: Some(diff_id.clone()),
            known: Some(found.id),
        }))
    }

    /// Takes the layers that an image of the hub has from what was kept of them.
    pub(super) async fn recognise(&mut self, cx: &Context, job: &Job) -> Result<(), Halt> {
        let named = self.wanted.keys().filter_map(|(blob, diff_id)| Some((blob.clone()?, diff_id.clone())));
        let pairs: Vec<(Digest, Digest)> = named.collect();
        let texts: Vec<_> = pairs.iter().map(|(b, d)| (b.to_string(), d.to_string())).collect();
        let mut known = cx.db.known_layers(&job.claim.hub, &texts, INDEX_VERSION).await?;
        for ((blob, diff_id), texts) in pairs.into_iter().zip(texts) {
            let Some(found) = known.remove(&texts) else { continue };
            let read = tokio::task::spawn_blocking(move || LayerIndex::decode(&found.body)).await;
            // One that is damaged is as good as none.
            let Some(index) = read.map_err(|_| thread_ended())? else { continue };
            if Digest::from_sha256(index.diff_id) != diff_id
                || !self.budget.known(index.entries(), index.plain)
            {
                continue;
            }
            let layer = ReadLayer {
                index: Arc::new(index),
                name: blob.to_string(),
                blob: Some(blob.clone()),
                known: Some(found.id),
            };
            self.kept.insert((Some(blob), diff_id), layer);
        }
        Ok(())
    }

    /// Reads layers of an image after all, though they were known.
    pub(super) async fn read_again(
        &mut self,
        job: &Job,
        scratch: &Path,
        image: &Image,
        places: &BTreeSet<usize>,
        have: Vec<ReadLayer>,
    ) -> Result<Vec<ReadLayer>, Halt> {
        for (layer, have) in image.layers.iter().zip(have) {
            *self.wanted.entry(pair(layer)).or_default() += 1;
            self.kept.insert(pair(layer), have);
        }
        for layer in places.iter().filter_map(|place| image.layers.get(*place)) {
            self.kept.remove(&pair(layer));
            job.log.say(format!("Layer {}: contents that are needed were not kept.", name(layer)));
        }
        self.before = self.before.saturating_sub(image.layers.len());
        self.again = true;
        self.read(job, scratch, image).await
    }

    /// Reads the layers of the next image.
    pub(super) async fn read(
        &mut self,
        job: &Job,
        scratch: &Path,
        image: &Image,
    ) -> Result<Vec<ReadLayer>, Halt> {
        let count = image.layers.len();
        let bytes: u64 = image.layers.iter().map(|layer| layer.size).sum();
        job.log.say(format!("Importing {count} layers, {bytes} bytes, for {}.", image.platform));
        for (place, layer) in image.layers.iter().enumerate() {
            if self.kept.get(&pair(layer)).is_some_and(|kept| kept.known.is_some()) {
                job.log.say(format!("Layer {}/{count} {}: known, not read.", place + 1, name(layer)));
            }
        }
        let read: Vec<Arc<AtomicU64>> = image.layers.iter().map(|_| Arc::default()).collect();
        let progress = tell_progress(job, &image.layers, &read, self.before, self.all);
        tokio::select! {
            done = self.read_missing(job, scratch, image, &read) => done?,
            () = progress => return Err(thread_ended()),
        }
        self.before += count;
        image.layers.iter().map(|layer| self.take(&pair(layer)).ok_or_else(thread_ended)).collect()
    }

    async fn read_missing(
        &mut self,
        job: &Job,
        scratch: &Path,
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
        // Small ones first, then from the top: what upper layers hide need not be stored.
        places.sort_by_key(|place| {
            let size = image.layers.get(*place).map_or(0, |layer| layer.size);
            (size > SMALL, std::cmp::Reverse(*place))
        });
        let hidden = Arc::new(Hidden::of(image, self));
        let mut waiting = places.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < AT_ONCE
                && let Some(place) = waiting.next()
            {
                let count = read.get(place).map(Arc::clone).unwrap_or_default();
                let (scratch, image) = (scratch.to_owned(), image.clone());
                let (budget, lost, runtime) = (self.budget.clone(), job.lost.clone(), Handle::current());
                let large = Large { intake: Arc::clone(&self.intake), hidden: Arc::clone(&hidden), place };
                running.spawn_blocking(move || {
                    let reader = reader(&image, place, count, lost, &runtime);
                    (place, read_layer(reader, &scratch, &budget, Some(&large)))
                });
            }
            let Some(ended) = running.join_next().await else { return Ok(()) };
            let (place, result) = ended.map_err(|_| thread_ended())?;
            let Some(layer) = image.layers.get(place) else { continue };
            let index = result.map_err(|e| layer_failed(layer, place, &e))?;
            check(layer, place, &index)?;
            hidden.read(place, &index);
            job.log.say(format!(
                "Layer {}/{} {}: {} entries, {} bytes unpacked.",
                place + 1,
                image.layers.len(),
                name(layer),
                index.entries(),
                index.plain
            ));
            let read = ReadLayer {
                index: Arc::new(index),
                name: name(layer).to_string(),
                blob: layer.digest.clone(),
                known: None,
            };
            self.kept.insert(pair(layer), read);
        }
    }

    /// A layer that was read; the last one who needs it takes it away.
    fn take(&mut self, pair: &Pair) -> Option<ReadLayer> {
        let left = self.wanted.get_mut(pair)?;
        *left = left.saturating_sub(1);
        if *left == 0 { self.kept.remove(pair) } else { self.kept.get(pair).cloned() }
    }
}

/// Reads layers of which nothing is known yet.
pub(super) struct Receiver {
    budget: Budget,
    intake: Arc<Intake>,
}

impl Receiver {
    /// Reads one. Blocking.
    pub(super) fn receive(
        &self,
        scratch: &Path,
        bytes: Box<dyn Read + Send>,
    ) -> Result<ReadLayer, LayerError> {
        let large = Large { intake: Arc::clone(&self.intake), hidden: Arc::default(), place: 0 };
        let index = read_layer(bytes, scratch, &self.budget, Some(&large))?;
        let tar = Digest::from_sha256(index.diff_id);
        Ok(ReadLayer { name: tar.to_string(), blob: Some(tar), index: Arc::new(index), known: None })
    }
}

/// What the layers of an image hide, as far as they were read. None of it is known of an image whose layers others have
/// too.
#[derive(Default)]
struct Hidden(Vec<OnceLock<Hides>>);

impl Hidden {
    fn of(image: &Image, layers: &Layers) -> Self {
        if layers.again || layers.wanted.values().any(|times| *times > 1) {
            return Self::default();
        }
        let hidden = Self(image.layers.iter().map(|_| OnceLock::new()).collect());
        for (place, layer) in image.layers.iter().enumerate() {
            if let Some(kept) = layers.kept.get(&pair(layer)) {
                hidden.read(place, &kept.index);
            }
        }
        hidden
    }

    fn read(&self, place: usize, index: &LayerIndex) {
        if let Some(slot) = self.0.get(place) {
            let _ = slot.set(Hides::of(index));
        }
    }
}

/// Large files go into the store as they are read, unless a layer above hides them.
struct Large {
    intake: Arc<Intake>,
    hidden: Arc<Hidden>,
    place: usize,
}

impl LargeFiles for Large {
    /// A layer above that is read at the same time may hide it too. Images hide little, so it is kept until that is known: the
    /// store gets rid of what nobody uses, and waiting would mean writing every large file to the disk once more.
    fn hidden(&self, path: &[u8]) -> bool {
        let above = self.hidden.0.get(self.place + 1..).unwrap_or_default();
        above.iter().filter_map(OnceLock::get).any(|hides| hides.hides(path))
    }

    fn keep(&self, content: &mut dyn Read, size: u64) -> io::Result<Vec<[u8; 32]>> {
        Ok(self.intake.large(content, size)?)
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
