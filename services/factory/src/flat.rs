//! From layers to one stored layer: read in parallel, modelled in order, emitted into the store.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use chassis::job::OpenSource;
use chassis::{Context, Halt, Job};
use db::import::save::Saved;
use db::store::{ChunkUse, NewChunk, NewRecipe};
use flatten::{Contents, FlatManifest, LayerIndex, Sink, Tree, emit, flat_config, flat_manifest, read_layer};
use model::image::{FlatFigures, Served, ServedKind};
use model::pin::Pin;
use model::source::CodecName;
use model::{Failure, State};
use oci::digest::{Algorithm, Digest, Mismatch};
use oci::layer::LayerError;
use oci::limits::Budget;
use oci::manifest::media_type::{OCI_CONFIG, OCI_MANIFEST};
use oci::registry::RegistryError;
use oci::source::{Layer, SourceError};
use store::{Codec, LayerWriter, PackId, Store, WrittenLayer};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::chunks::Chunks;
use crate::input::{Input, name, tell_progress};

/// Layers read at once.
const AT_ONCE: usize = 4;

/// What came of it.
pub(crate) struct Flattened {
    /// For the last transaction.
    pub saved: Saved,
    /// For the log.
    pub said: Vec<String>,
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
    let bytes_in = input.image.layers.iter().map(|layer| layer.size).sum();
    job.log.say(format!(
        "Importing {} layers, {bytes_in} bytes, for {}.",
        input.image.layers.len(),
        input.image.platform
    ));
    let layers = read_layers(job, &input).await?;
    cx.db.advance(&job.claim, State::Verifying, "factory").await?;
    let pack = PackId::new();
    cx.db.pack_begins(&pack.to_string(), &job.claim).await?;
    let codec = codec(source.flat.codec)?;
    let index = Arc::new(Chunks { db: cx.db.clone(), claim: job.claim.clone(), runtime: Handle::current() });
    let writer = store.layer_writer(pack, codec, index).map_err(|e| store_failed(&e))?;
    let lost = job.lost.clone();
    let emitted = tokio::task::spawn_blocking(move || one_layer(&layers, writer, lost)).await;
    let (flat, written, warnings) = emitted.map_err(|_| thread_ended())??;
    let figures = FlatFigures {
        layers_in: u32::try_from(input.image.layers.len()).unwrap_or(u32::MAX),
        bytes_in,
        bytes_out: written.size,
        bytes_plain: written.plain_size,
        bytes_new: written.bytes_new,
        entries: flat.entries,
        certificate: flat.certificate.to_string(),
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let mut said: Vec<String> = warnings.iter().map(|warning| format!("Warning: {warning}")).collect();
    said.push(format!(
        "Flat: {} entries, {} bytes ({} unpacked), {} of them new to the store, in {} ms.",
        figures.entries, figures.bytes_out, figures.bytes_plain, figures.bytes_new, figures.duration_ms
    ));
    let saved = saved(pin, &input, codec, written, figures, warnings)?;
    Ok(Flattened { saved, said })
}

/// Reads every layer, a few at once, and checks each against what the config claims.
async fn read_layers(job: &Job, input: &Input) -> Result<Vec<LayerIndex>, Halt> {
    let budget = Budget::default();
    let read: Vec<Arc<AtomicU64>> = input.image.layers.iter().map(|_| Arc::default()).collect();
    let reading = async {
        let mut found: Vec<Option<LayerIndex>> = input.image.layers.iter().map(|_| None).collect();
        let mut running = JoinSet::new();
        let mut waiting = read.iter().enumerate();
        loop {
            while running.len() < AT_ONCE
                && let Some((place, read)) = waiting.next()
            {
                let (input, budget, lost, read) =
                    (input.clone(), budget.clone(), job.lost.clone(), Arc::clone(read));
                let runtime = Handle::current();
                running.spawn_blocking(move || {
                    let reader = input.reader(place, read, lost, &runtime);
                    (place, read_layer(reader, &input.scratch, &budget))
                });
            }
            let Some(ended) = running.join_next().await else { break };
            let (place, result) = ended.map_err(|_| thread_ended())?;
            let Some(layer) = input.image.layers.get(place) else { continue };
            let index = result.map_err(|e| layer_failed(layer, place, &e))?;
            check(layer, place, &index)?;
            job.log.say(format!(
                "Layer {}/{} {}: {} entries, {} bytes unpacked.",
                place + 1,
                input.image.layers.len(),
                name(layer),
                index.items.len(),
                index.plain
            ));
            if let Some(slot) = found.get_mut(place) {
                *slot = Some(index);
            }
        }
        Ok(found.into_iter().flatten().collect())
    };
    tokio::select! {
        result = reading => result,
        () = tell_progress(job, &input.image.layers, &read) => Err(thread_ended()),
    }
}

fn check(layer: &Layer, place: usize, index: &LayerIndex) -> Result<(), Halt> {
    let got = Digest::from_sha256(index.diff_id);
    if layer.diff_id == got || layer.diff_id.algorithm() != Algorithm::Sha256 {
        return Ok(());
    }
    let told = format!(
        "The config does not fit the image: layer {} has the diff_id {got}, the config claims {}.",
        place + 1,
        layer.diff_id
    );
    Err(Failure::permanent("config.mismatch", told).into())
}

type Emitted = (flatten::Flat, WrittenLayer, Vec<String>);

fn one_layer(layers: &[LayerIndex], writer: LayerWriter, lost: CancellationToken) -> Result<Emitted, Halt> {
    let mut tree = Tree::default();
    for layer in layers {
        tree.apply(layer).map_err(|e| Failure::permanent(e.code(), e.to_string()))?;
    }
    let contents: Vec<Contents> = layers.iter().map(|layer| layer.contents.clone()).collect();
    let mut sink = Into { writer, lost };
    let flat = emit(&tree, &contents, &mut sink).map_err(|e| emit_failed(&e))?;
    let written = sink.writer.finish().map_err(|e| store_failed(&e))?;
    Ok((flat, written, tree.warnings().to_vec()))
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

fn saved(
    pin: &Pin,
    input: &Input,
    codec: Codec,
    written: WrittenLayer,
    figures: FlatFigures,
    warnings: Vec<String>,
) -> Result<Saved, Halt> {
    let refuse = |e: flatten::ConfigError| Halt::failed(Failure::permanent(e.code(), e.to_string()), &e);
    let (digest, diff_id) =
        (Digest::from_sha256(written.digest).to_string(), Digest::from_sha256(written.diff_id).to_string());
    let config =
        flat_config(&input.image.config, &diff_id, input.image.layers.len(), pin.digest()).map_err(refuse)?;
    let config_digest = Digest::of(&config).to_string();
    let media_type = format!("application/vnd.oci.image.layer.v1.tar+{}", codec.suffix());
    let source_reference = match pin {
        Pin::Registry { target, .. } => Some(target.as_str()),
        Pin::Upload { .. } => None,
    };
    let manifest = flat_manifest(&FlatManifest {
        config: (&config_digest, config.len() as u64),
        layer: (&digest, written.size),
        media_type: &media_type,
        source_reference,
        source_digest: pin.digest(),
    })
    .map_err(refuse)?;
    let manifest_digest = Digest::of(&manifest).to_string();
    let served = |kind, digest: &str, media_type: &str, size| Served {
        kind,
        digest: digest.to_owned(),
        media_type: media_type.to_owned(),
        size,
    };
    Ok(Saved {
        served: vec![
            served(ServedKind::Manifest, &manifest_digest, OCI_MANIFEST, manifest.len() as u64),
            served(ServedKind::Config, &config_digest, OCI_CONFIG, config.len() as u64),
            served(ServedKind::Layer, &digest, &media_type, written.size),
        ],
        config: serde_json::from_slice(&config).unwrap_or_default(),
        documents: vec![(manifest_digest.clone(), manifest), (config_digest, config)],
        manifest: manifest_digest,
        recipe: NewRecipe {
            digest,
            diff_id,
            codec: codec.to_string(),
            size: written.size,
            plain: written.plain_size,
            chunks: written.chunks.iter().map(chunk_use).collect(),
        },
        new_chunks: written.new.iter().map(new_chunk).collect(),
        pack: written.pack.map(|pack| (pack.id.to_string(), pack.size)),
        figures,
        warnings,
        platform: input.image.platform.to_string(),
    })
}

fn chunk_use(chunk: &store::ChunkUse) -> ChunkUse {
    match chunk {
        store::ChunkUse::Known(id) => ChunkUse::Known(*id),
        store::ChunkUse::New(place) => ChunkUse::New(*place),
    }
}

fn new_chunk(chunk: &store::NewChunk) -> NewChunk {
    NewChunk { digest: chunk.key.digest, offset: chunk.offset, length: chunk.length, plain: chunk.plain }
}

fn thread_ended() -> Halt {
    Failure::transient("internal.thread", "A thread of the factory ended.").into()
}

/// A layer's error; where its bytes could not be had, the registry's or archive's own.
fn layer_failed(layer: &Layer, place: usize, error: &LayerError) -> Halt {
    if let Some(input) = error.input_error() {
        if let Some(error) = RegistryError::within(input) {
            return Halt::failed(chassis::registry::failure(error), error);
        }
        let inner = input.get_ref();
        let source = inner
            .and_then(|e| e.downcast_ref::<SourceError>())
            .map(|e| (e.code(), e.is_permanent(), e.to_string()));
        let bytes = inner.and_then(|e| e.downcast_ref::<Mismatch>()).map(|e| (e.code(), true, e.to_string()));
        if let Some((code, permanent, sentence)) = source.or(bytes) {
            let message = format!("Layer {} ({}): {sentence}", place + 1, name(layer));
            return Halt::failed(Failure::new(code, message, !permanent), error);
        }
    }
    let told = format!("Layer {} ({}): {error}", place + 1, name(layer));
    let transient = !error.is_permanent() || error.code() == "factory.disk";
    Halt::failed(Failure::new(error.code(), told, transient), error)
}

fn store_failed(error: &store::Error) -> Halt {
    let failure = Failure::new(error.code(), format!("{error}."), !error.is_permanent());
    Halt::failed(failure, error)
}

fn emit_failed(error: &io::Error) -> Halt {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<store::Error>()) {
        Some(error) => store_failed(error),
        None => Halt::failed(
            Failure::transient("factory.disk", "The factory's disk cannot be read or written."),
            error,
        ),
    }
}
