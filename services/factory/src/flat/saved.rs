//! Putting an import together for its last transaction: manifests, configs, an index where there are several, figures.

use std::time::Duration;

use chassis::Halt;
use db::import::save::{Saved, SavedFlat};
use db::store::{Checkpoint, ChunkUse, NewChunk, NewContent, NewRecipe, RecipeUse, SavedLayer};
use flatten::{Certificate, ConfigError, FlatManifest, IndexEntry, flat_config, flat_index, flat_manifest};
use model::Failure;
use model::image::{FlatFigures, FlatPlatform, Served, ServedKind};
use model::pin::Pin;
use oci::digest::Digest;
use oci::manifest::Platform;
use oci::manifest::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use store::{Chunk, Codec, Written};

use super::{FlatLayer, Flattening, One};

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
    let mut parts = Parts::new(pin, codec, written.as_ref());
    for one in all {
        parts.add(one)?;
    }
    let Parts { mut served, mut documents, flats, platforms, config, contents, layers, .. } = parts;
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
        let source = flats.first().map(|flat| flat.figures.source_digest.as_str());
        let source = pin.digest().or(source).unwrap_or_default();
        let body = flat_index(&entries, reference(pin), source).map_err(refuse)?;
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
        proofs: written.as_ref().map(|written| written.proofs.clone()).unwrap_or_default(),
        new_chunks: written.into_iter().flat_map(|written| written.new).map(new_chunk).collect(),
        contents,
        layers,
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
    written: Option<&'a Written>,
    contents: Vec<NewContent>,
    layers: Vec<SavedLayer>,
    served: Vec<Served>,
    documents: Vec<(String, Vec<u8>)>,
    flats: Vec<SavedFlat>,
    platforms: Vec<Platform>,
    /// Of the first.
    config: serde_json::Value,
}

impl<'a> Parts<'a> {
    fn new(pin: &'a Pin, codec: Codec, written: Option<&'a Written>) -> Self {
        Self {
            pin,
            codec,
            written,
            contents: Vec::new(),
            layers: Vec::new(),
            served: Vec::new(),
            documents: Vec::new(),
            flats: Vec::new(),
            platforms: Vec::new(),
            config: serde_json::Value::Null,
        }
    }

    fn add(&mut self, one: One<'_>) -> Result<(), Halt> {
        let One { image, source, flat } = one;
        let (recipe, mut figures, warnings) = match flat {
            Flattening::Before(known) => {
                let figures = FlatPlatform { known: true, ..known.figures };
                (RecipeUse::Known(known.recipe), figures, known.warnings)
            }
            Flattening::Now(layer) => {
                let recipe = self.recipe(&layer)?;
                let figures = FlatPlatform {
                    layer: recipe.digest.clone(),
                    diff_id: recipe.diff_id.clone(),
                    layers_in: u32::try_from(image.layers.len()).unwrap_or(u32::MAX),
                    bytes_in: image.layers.iter().map(|layer| layer.size).sum(),
                    bytes_out: recipe.size,
                    bytes_plain: recipe.plain,
                    entries: layer.flat.entries,
                    certificate: layer.flat.certificate.to_string(),
                    ..FlatPlatform::default()
                };
                self.layers.extend(layer.layers);
                (RecipeUse::New(recipe), figures, layer.warnings)
            }
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

    fn recipe(&mut self, layer: &FlatLayer) -> Result<NewRecipe, Halt> {
        for content in layer.contents.iter().filter(|content| !content.proven) {
            let chunks = self.uses(&content.chunks)?;
            self.contents.push(NewContent { digest: content.digest, size: content.size, chunks });
        }
        Ok(NewRecipe {
            digest: Digest::from_sha256(layer.blob.digest).to_string(),
            diff_id: Digest::from_sha256(layer.blob.diff_id).to_string(),
            codec: self.codec.to_string(),
            size: layer.blob.size,
            plain: layer.blob.plain,
            chunks: self.uses(&layer.chunks)?,
            contents: layer.contents.iter().map(|content| content.digest).collect(),
            checkpoints: layer.checkpoints.iter().map(checkpoint).collect(),
        })
    }

    fn uses(&self, chunks: &[Chunk]) -> Result<Vec<ChunkUse>, Halt> {
        let one = |chunk: &Chunk| match self.written?.use_of(*chunk)? {
            store::ChunkUse::Known(id) => Some(ChunkUse::Known(id)),
            store::ChunkUse::New(place) => Some(ChunkUse::New(place)),
        };
        chunks.iter().map(|chunk| one(chunk).ok_or_else(super::thread_ended)).collect()
    }
}

fn checkpoint(at: &store::Checkpoint) -> Checkpoint {
    Checkpoint {
        chunks: at.chunks,
        size: at.size,
        plain: at.plain,
        blob: at.blob.clone(),
        diff: at.diff.clone(),
        version: store::Checkpoint::VERSION,
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
        Pin::Upload { .. } | Pin::Build { .. } => None,
    }
}

fn serve(kind: ServedKind, digest: &str, media_type: &str, size: u64) -> Served {
    Served { kind, digest: digest.to_owned(), media_type: media_type.to_owned(), size }
}

fn new_chunk(chunk: store::NewChunk) -> NewChunk {
    NewChunk {
        digest: chunk.key.digest,
        offset: chunk.offset,
        length: chunk.length,
        plain: chunk.plain,
        sum: chunk.sum,
        proof: chunk.proof,
    }
}
