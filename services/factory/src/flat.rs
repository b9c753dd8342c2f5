//! From layers to stored flat layers, one for each platform: read in parallel, modelled in order, emitted into the
//! store. What this hub has flattened before is recognised, and nothing of it is read.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chassis::job::OpenSource;
use chassis::{Context, Halt, Job};
use db::store::KnownFlat;
use model::pin::Pin;
use model::source::CodecName;
use model::{Failure, State};
use oci::source::Image;
use store::{Codec, Intake, PackId, Store};
use tokio::runtime::Handle;

use crate::chunks::Chunks;
use crate::input::Input;
use crate::on_image_import_requested::lasting;

mod arrivals;
mod failed;
mod layers;
mod one;
mod pieces;
mod saved;

pub(crate) use arrivals::Arrivals;
use failed::store_failed;
pub(crate) use failed::thread_ended;
use layers::{Layers, ReadLayer};
use one::{Bench, FlatLayer, Made};
pub(crate) use saved::Flattened;

/// What became of one platform's image.
struct One<'a> {
    image: &'a Image,
    /// What it is known by from now on.
    source: String,
    flat: Flattening,
}

enum Flattening {
    /// Flattened now.
    Now(Box<FlatLayer>),
    /// Flattened before.
    Before(Box<KnownFlat>),
}

/// Reads, flattens, stores.
pub(crate) async fn flatten(
    cx: &Context,
    job: &Job,
    store: &Store,
    source: &OpenSource,
    pin: &Pin,
    input: Input,
) -> Result<Flattened, Halt> {
    let Input { images, scratch, arrived } = input;
    let began = Instant::now();
    let codec = codec(source.flat.codec)?;
    let mut done = Vec::new();
    for image in &images {
        let source = known_by(pin, image);
        let before = cx.db.known_flat(&job.claim.hub, &source, &codec.to_string(), flatten::RULES).await?;
        done.push((image, source, before));
    }
    let fresh: Vec<&Image> = done.iter().filter(|(.., before)| before.is_none()).map(|(i, ..)| *i).collect();
    let mut flattening = match arrived {
        Some(arrived) => arrived.flattener(&fresh).await?,
        None => None,
    };
    if flattening.is_none() && !fresh.is_empty() {
        flattening = Some(Flattener::new(cx, job, store, codec, &fresh).await?);
    }
    let mut all = Vec::new();
    for (image, source, before) in done {
        let flat = match (before, &mut flattening) {
            (None, Some(flattener)) => Flattening::Now(flattener.flatten(cx, job, &scratch, image).await?),
            (None, None) => return Err(thread_ended()),
            (Some(before), _) => {
                job.log.say(format!(
                    "Known: {} for {} was flattened before; nothing of it is read again.",
                    image.source_digest, image.platform
                ));
                Flattening::Before(Box::new(before))
            }
        };
        all.push(One { image, source, flat });
    }
    let written = match flattening {
        Some(Flattener { intake, .. }) => {
            let ended = tokio::task::spawn_blocking(move || intake.finish()).await;
            Some(ended.map_err(|_| thread_ended())?.map_err(|e| store_failed(&e))?)
        }
        None => None,
    };
    saved::put_together(pin, codec, all, written, began.elapsed())
}

/// What flattens the images of one import.
struct Flattener {
    intake: Arc<Intake>,
    chunks: Chunks,
    layers: Layers,
    codec: Codec,
    cuts: flatten::Cuts,
}

impl Flattener {
    async fn new(
        cx: &Context,
        job: &Job,
        store: &Store,
        codec: Codec,
        images: &[&Image],
    ) -> Result<Self, Halt> {
        let pack = PackId::new();
        cx.db.pack_begins(&pack.to_string(), &job.claim).await?;
        let chunks = Chunks { db: cx.db.clone(), claim: job.claim.clone(), runtime: Handle::current() };
        let intake = store.intake(pack, codec, Arc::new(chunks.clone())).map_err(|e| store_failed(&e))?;
        let intake = Arc::new(intake);
        let mut layers = Layers::of(images, cx.config.limits(), Arc::clone(&intake));
        layers.recognise(cx, job).await?;
        Ok(Self { intake, chunks, layers, codec, cuts: Bench::cuts(store) })
    }

    async fn flatten(
        &mut self,
        cx: &Context,
        job: &Job,
        scratch: &Path,
        image: &Image,
    ) -> Result<Box<FlatLayer>, Halt> {
        let mut read = lasting(cx, job, self.layers.read(job, scratch, image)).await?;
        // What takes a moment is told with its end.
        if image.layers.iter().map(|layer| layer.size).sum::<u64>() > db::import::LIGHT {
            cx.db.advance(&job.claim, State::Verifying, "factory").await?;
        }
        // A layer whose contents are gone is read once more, and then they are here.
        for _ in 0..2 {
            match self.flat_layer(cx, job, read.clone()).await? {
                Made::Flat(layer) => return Ok(layer),
                // What is not there any more is made again: the next attempt takes nothing for known.
                Made::Lacking(_) if image.is_handed_over() => break,
                Made::Lacking(places) => {
                    read = self.layers.read_again(job, scratch, image, &places, read).await?;
                }
            }
        }
        Err(Failure::transient("store.contents", "Contents of layers went away while they were used.").into())
    }

    async fn flat_layer(&self, cx: &Context, job: &Job, layers: Vec<ReadLayer>) -> Result<Made, Halt> {
        let bench = Bench {
            intake: Arc::clone(&self.intake),
            chunks: self.chunks.clone(),
            codec: self.codec,
            cuts: self.cuts,
            limits: cx.config.limits(),
        };
        let intake = Arc::clone(&self.intake);
        let mut flat = tokio::task::spawn_blocking(move || bench.flatten(&layers));
        let made = tokio::select! {
            made = &mut flat => made,
            () = job.lost.cancelled() => {
                intake.stop();
                flat.await
            }
        };
        made.map_err(|_| thread_ended())?
    }
}

/// What a flattening is known by. A manifest's digest names its layers' bytes; the older form of an archive has names
/// only for what it claims, so there the archive counts too.
fn known_by(pin: &Pin, image: &Image) -> String {
    match pin {
        Pin::Registry { .. } => image.source_digest.to_string(),
        Pin::Upload { digest, .. } => format!("{digest}/{}", image.source_digest),
        Pin::Build { .. } => format!("build/{}", image.source_digest),
    }
}

pub(crate) fn codec(name: CodecName) -> Result<Codec, Failure> {
    let text = match name {
        CodecName::Zstd => "zstd-3",
        CodecName::Gzip => "gzip-6",
    };
    text.parse().map_err(|_| Failure::permanent("flat.codec", "The compression asked for is not known."))
}
