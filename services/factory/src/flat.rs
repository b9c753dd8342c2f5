//! From layers to stored flat layers, one for each platform: read in parallel, modelled in order, emitted into the
//! store. What this hub has flattened before is recognised, and nothing of it is read.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use chassis::job::OpenSource;
use chassis::{Context, Halt, Job};
use db::store::KnownFlat;
use flatten::{Flat, LayerIndex, Sink, Tree, emit};
use model::pin::Pin;
use model::source::CodecName;
use model::{Failure, State};
use oci::limits::Limits;
use oci::source::Image;
use store::{Codec, LayerWriter, PackId, Store, Written};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::chunks::Chunks;
use crate::input::{Input, name};

mod failed;
mod layers;
mod saved;

pub(crate) use failed::thread_ended;
use failed::{emit_failed, store_failed};
use layers::Layers;
pub(crate) use saved::Flattened;

/// What became of one platform's image.
struct One<'a> {
    image: &'a Image,
    /// What it is known by from now on.
    source: String,
    flat: Made,
}

enum Made {
    /// Flattened now: what is known of the next layer that was written.
    Now { flat: Flat, warnings: Vec<String> },
    /// Flattened before.
    Before(KnownFlat),
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
    let began = Instant::now();
    let codec = codec(source.flat.codec)?;
    let mut done = Vec::new();
    for image in &input.images {
        let source = known_by(pin, image);
        let before = cx.db.known_flat(&job.claim.hub, &source, &codec.to_string(), flatten::RULES).await?;
        done.push((image, source, before));
    }
    let fresh: Vec<&Image> = done.iter().filter(|(.., before)| before.is_none()).map(|(i, ..)| *i).collect();
    let mut layers = Layers::of(&fresh, cx.config.limits());
    let mut writer: Option<LayerWriter> = None;
    let mut all = Vec::new();
    for (image, source, before) in done {
        let flat = match before {
            Some(before) => {
                job.log.say(format!(
                    "Known: {} for {} was flattened before; nothing of it is read again.",
                    image.source_digest, image.platform
                ));
                Made::Before(before)
            }
            None => {
                let read = layers.read(job, &input, image).await?;
                cx.db.advance(&job.claim, State::Verifying, "factory").await?;
                let into = match writer.take() {
                    Some(writer) => writer,
                    None => new_writer(cx, job, store, codec).await?,
                };
                let names: Vec<String> = image.layers.iter().map(|layer| name(layer).to_string()).collect();
                let lost = job.lost.clone();
                let limits = cx.config.limits();
                let emitted =
                    tokio::task::spawn_blocking(move || one_layer(&read, &names, into, lost, limits)).await;
                let (flat, warnings, back) = emitted.map_err(|_| thread_ended())??;
                writer = Some(back);
                Made::Now { flat, warnings }
            }
        };
        all.push(One { image, source, flat });
    }
    let written = match writer {
        Some(writer) => {
            let ended = tokio::task::spawn_blocking(move || writer.finish()).await;
            Some(ended.map_err(|_| thread_ended())?.map_err(|e| store_failed(&e))?)
        }
        None => None,
    };
    saved::put_together(pin, codec, all, written, began.elapsed())
}

/// What a flattening is known by. A manifest's digest names its layers' bytes; the older form of an archive has names
/// only for what it claims, so there the archive counts too.
fn known_by(pin: &Pin, image: &Image) -> String {
    match pin {
        Pin::Registry { .. } => image.source_digest.to_string(),
        Pin::Upload { digest, .. } => format!("{digest}/{}", image.source_digest),
    }
}

async fn new_writer(cx: &Context, job: &Job, store: &Store, codec: Codec) -> Result<LayerWriter, Halt> {
    let pack = PackId::new();
    cx.db.pack_begins(&pack.to_string(), &job.claim).await?;
    let index = Arc::new(Chunks { db: cx.db.clone(), claim: job.claim.clone(), runtime: Handle::current() });
    store.layer_writer(pack, codec, index).map_err(|e| store_failed(&e))
}

/// Applies the layers and emits the result as the writer's next layer.
fn one_layer(
    layers: &[Arc<LayerIndex>],
    names: &[String],
    writer: LayerWriter,
    lost: CancellationToken,
    limits: Limits,
) -> Result<(Flat, Vec<String>, LayerWriter), Halt> {
    let mut tree = Tree::new(limits);
    for (place, layer) in layers.iter().enumerate() {
        tree.apply(layer).map_err(|e| {
            let name = names.get(place).map(String::as_str).unwrap_or_default();
            Failure::permanent(e.code(), format!("Layer {} ({name}): {e}", place + 1))
        })?;
    }
    let mut sink = Into { writer, lost };
    let flat = emit(&tree, &mut sink).map_err(|e| emit_failed(&e))?;
    sink.writer.end_layer().map_err(|e| store_failed(&e))?;
    Ok((flat, tree.warnings(), sink.writer))
}

/// The flattener's sink is the store's writer.
struct Into {
    writer: LayerWriter,
    lost: CancellationToken,
}

impl Sink for Into {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        Ok(self.writer.bytes(bytes)?)
    }

    fn boundary(&mut self, name: &[u8]) -> io::Result<()> {
        if self.lost.is_cancelled() {
            return Err(io::Error::other("the lease was lost"));
        }
        Ok(self.writer.boundary(name)?)
    }

    fn big(&mut self, content: &mut dyn Read, size: u64) -> io::Result<()> {
        Ok(self.writer.big(content, size)?)
    }
}

fn codec(name: CodecName) -> Result<Codec, Failure> {
    let text = match name {
        CodecName::Zstd => "zstd-3",
        CodecName::Gzip => "gzip-6",
    };
    text.parse().map_err(|_| Failure::permanent("flat.codec", "The compression asked for is not known."))
}

/// The layers that were written now, one for each image that was flattened now, in their order.
type Layered = std::vec::IntoIter<store::WrittenLayer>;

fn layers_of(written: Option<&Written>) -> Layered {
    written.map(|written| written.layers.clone()).unwrap_or_default().into_iter()
}
