//! Putting an import together for its last transaction: manifests, configs, an index where there are several, figures.

use std::time::Duration;

use chassis::Halt;
use db::import::save::{Saved, SavedFlat};
use db::store::{ChunkUse, NewChunk, NewRecipe, RecipeUse};
use flatten::{Certificate, ConfigError, FlatManifest, IndexEntry, flat_config, flat_index, flat_manifest};
use model::Failure;
use model::image::{FlatFigures, FlatPlatform, Served, ServedKind};
use model::pin::Pin;
use oci::digest::Digest;
use oci::manifest::Platform;
use oci::manifest::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use store::{Codec, Written, WrittenLayer};

use super::{Made, One, layers_of};

/// What came of an import.
pub(crate) struct Flattened {
    /// For the last transaction.
    pub saved: Saved,
    /// For the log.
    pub said: Vec<String>,
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn refuse(error: ConfigError) -> Halt {
    Halt::failed(Failure::permanent(error.code(), error.to_string()), &error)
}

pub(super) fn put_together(
    pin: &Pin,
    codec: Codec,
    all: Vec<One<'_>>,
    written: Option<Written>,
    took: Duration,
) -> Result<Flattened, Halt> {
    let mut layers = layers_of(written.as_ref());
    let mut parts = Parts::new(pin, codec);
    for one in all {
        let layer = if matches!(one.flat, Made::Now { .. }) { layers.next() } else { None };
        parts.add(one, layer)?;
    }
    let Parts { mut served, mut documents, flats, platforms, config, .. } = parts;
    let mut figures = sum(&flats);
    figures.bytes_new = written.as_ref().map_or(0, |written| written.bytes_new);
    figures.duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let several = flats.len() > 1;
    let mut manifest = flats.first().map(|flat| flat.figures.digest.clone()).unwrap_or_default();
    if several {
        let sizes = served.iter().filter(|s| s.kind == ServedKind::Manifest).map(|s| s.size);
        let entries: Vec<IndexEntry<'_>> = flats
            .iter()
            .zip(&platforms)
            .zip(sizes)
            .map(|((flat, platform), size)| IndexEntry { platform, digest: &flat.figures.digest, size })
            .collect();
        let body = flat_index(&entries, reference(pin), pin.digest()).map_err(refuse)?;
        manifest = Digest::of(&body).to_string();
        served.push(serve(ServedKind::Index, &manifest, OCI_INDEX, body.len() as u64));
        documents.push((manifest.clone(), body));
    }
    let mut warnings = Vec::new();
    let mut said = Vec::new();
    for flat in &flats {
        let whose = if several { format!("{}: ", flat.figures.platform) } else { String::new() };
        warnings.extend(flat.warnings.iter().map(|warning| format!("{whose}{warning}")));
        if several {
            let f = &flat.figures;
            said.push(format!(
                "{whose}{} entries, {} bytes ({} unpacked).",
                f.entries, f.bytes_out, f.bytes_plain
            ));
        }
    }
    said.splice(0..0, warnings.iter().map(|warning| format!("Warning: {warning}")));
    said.push(format!(
        "Flat: {} entries, {} bytes ({} unpacked), {} of them new to the store, in {} ms.",
        figures.entries, figures.bytes_out, figures.bytes_plain, figures.bytes_new, figures.duration_ms
    ));
    let saved = Saved {
        pack: written.as_ref().and_then(|written| written.pack).map(|pack| (pack.id.to_string(), pack.size)),
        new_chunks: written.iter().flat_map(|written| &written.new).map(new_chunk).collect(),
        codec: codec.to_string(),
        rules: flatten::RULES,
        flats,
        documents,
        served,
        figures,
        warnings,
        manifest,
        config,
    };
    Ok(Flattened { saved, said })
}

/// What the platforms of an image add up to.
struct Parts<'a> {
    pin: &'a Pin,
    codec: Codec,
    served: Vec<Served>,
    documents: Vec<(String, Vec<u8>)>,
    flats: Vec<SavedFlat>,
    platforms: Vec<Platform>,
    /// Of the first.
    config: serde_json::Value,
}

impl<'a> Parts<'a> {
    fn new(pin: &'a Pin, codec: Codec) -> Self {
        let (served, documents, flats, platforms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { pin, codec, served, documents, flats, platforms, config: serde_json::Value::Null }
    }

    fn add(&mut self, one: One<'_>, layer: Option<WrittenLayer>) -> Result<(), Halt> {
        let One { image, source, flat } = one;
        let (recipe, mut figures, warnings) = match (flat, layer) {
            (Made::Before(known), _) => {
                let figures = FlatPlatform { known: true, ..known.figures };
                (RecipeUse::Known(known.recipe), figures, known.warnings)
            }
            (Made::Now { flat, warnings }, Some(layer)) => {
                let recipe = self.recipe(&layer);
                let figures = FlatPlatform {
                    layer: recipe.digest.clone(),
                    diff_id: recipe.diff_id.clone(),
                    layers_in: u32::try_from(image.layers.len()).unwrap_or(u32::MAX),
                    bytes_in: image.layers.iter().map(|layer| layer.size).sum(),
                    bytes_out: layer.size,
                    bytes_plain: layer.plain_size,
                    entries: flat.entries,
                    certificate: flat.certificate.to_string(),
                    ..FlatPlatform::default()
                };
                (RecipeUse::New(recipe), figures, warnings)
            }
            (Made::Now { .. }, None) => return Err(super::thread_ended()),
        };
        figures.platform = image.platform.to_string();
        figures.source_digest = image.source_digest.to_string();
        let config = flat_config(&image.config, &figures.diff_id, image.layers.len(), &figures.source_digest)
            .map_err(refuse)?;
        let config_digest = Digest::of(&config).to_string();
        let media_type = format!("application/vnd.oci.image.layer.v1.tar+{}", self.codec.suffix());
        let manifest = flat_manifest(&FlatManifest {
            config: (&config_digest, config.len() as u64),
            layer: (&figures.layer, figures.bytes_out),
            media_type: &media_type,
            source_reference: reference(self.pin),
            source_digest: &figures.source_digest,
        })
        .map_err(refuse)?;
        figures.digest = Digest::of(&manifest).to_string();
        self.served.extend([
            serve(ServedKind::Manifest, &figures.digest, OCI_MANIFEST, manifest.len() as u64),
            serve(ServedKind::Config, &config_digest, OCI_CONFIG, config.len() as u64),
            serve(ServedKind::Layer, &figures.layer, &media_type, figures.bytes_out),
        ]);
        if self.flats.is_empty() {
            self.config = serde_json::from_slice(&config).unwrap_or_default();
        }
        self.documents.extend([(figures.digest.clone(), manifest), (config_digest, config)]);
        self.platforms.push(image.platform.clone());
        self.flats.push(SavedFlat { source, recipe, figures, warnings });
        Ok(())
    }

    fn recipe(&self, layer: &WrittenLayer) -> NewRecipe {
        NewRecipe {
            digest: Digest::from_sha256(layer.digest).to_string(),
            diff_id: Digest::from_sha256(layer.diff_id).to_string(),
            codec: self.codec.to_string(),
            size: layer.size,
            plain: layer.plain_size,
            chunks: layer.chunks.iter().map(chunk_use).collect(),
        }
    }
}

fn sum(flats: &[SavedFlat]) -> FlatFigures {
    let platforms: Vec<FlatPlatform> = flats.iter().map(|flat| flat.figures.clone()).collect();
    let total = |of: fn(&FlatPlatform) -> u64| platforms.iter().map(of).sum();
    let named = platforms.iter().map(|p| (p.platform.as_str(), p.certificate.as_str()));
    FlatFigures {
        layers_in: platforms.iter().map(|p| p.layers_in).sum(),
        bytes_in: total(|p| p.bytes_in),
        bytes_out: total(|p| p.bytes_out),
        bytes_plain: total(|p| p.bytes_plain),
        entries: total(|p| p.entries),
        certificate: Certificate::of_platforms(named).to_string(),
        platforms,
        ..FlatFigures::default()
    }
}

fn reference(pin: &Pin) -> Option<&str> {
    match pin {
        Pin::Registry { target, .. } => Some(target.as_str()),
        Pin::Upload { .. } => None,
    }
}

fn serve(kind: ServedKind, digest: &str, media_type: &str, size: u64) -> Served {
    Served { kind, digest: digest.to_owned(), media_type: media_type.to_owned(), size }
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
