//! What is imported, whatever it comes from: a config, and layers that can be read.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chassis::job::OpenSource;
use chassis::{Context, Halt, Job, registry};
use futures::StreamExt;
use model::Failure;
use model::log::Progress;
use model::pin::Pin;
use oci::archive::{Archive, ArchiveLayer};
use oci::digest::Digest;
use oci::limits::Limits;
use oci::manifest::{Descriptor, Document, ImageConfig, MOST_BYTES, Platform};
use oci::reference::{Target, Version};
use oci::registry::{Client, Repository, blocking_reader};
use store::{Store, UploadId};

/// What is imported.
pub(crate) struct Input {
    /// The config's bytes.
    pub config: Vec<u8>,
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// Where layers and contents are spooled.
    pub scratch: PathBuf,
    from: From,
}

enum From {
    Registry(Box<Repository>),
    Archive(Arc<Archive>),
}

/// One layer.
#[derive(Clone)]
pub(crate) struct Layer {
    /// What it is called in logs: its digest, or its diff_id.
    pub name: String,
    /// The digest of its uncompressed bytes that the config claims.
    pub diff_id: Digest,
    /// Bytes as they are stored there.
    pub size: u64,
    part: Part,
}

#[derive(Clone)]
enum Part {
    Blob(Descriptor),
    Archived(ArchiveLayer),
}

impl Input {
    /// Opens what was pinned.
    pub(crate) async fn open(
        cx: &Context,
        job: &Job,
        client: &Client,
        store: &Store,
        source: &OpenSource,
        pin: &Pin,
    ) -> Result<Self, Halt> {
        let scratch = cx.config.data_dir.join("tmp");
        let made = tokio::fs::create_dir_all(&scratch).await;
        made.map_err(|e| {
            Failure::transient("factory.disk", format!("The factory's disk cannot be written to: {e}."))
        })?;
        match pin {
            Pin::Registry { manifest, platform, .. } => {
                let target = source.origin.target().unwrap_or_default();
                let target = Target::of(&source.origin, target)
                    .map_err(|e| Failure::permanent(e.code(), e.to_string()))?;
                let repository = client.repository(&target, registry::credentials(&source.origin));
                from_registry(repository, manifest, platform, scratch).await
            }
            Pin::Upload { .. } => {
                let wanted = match &source.flat.platform {
                    Some(text) => text.parse().map_err(registry::refused)?,
                    None => Platform::host(),
                };
                let path =
                    store.upload_path(UploadId::of(job.claim.image.to_bytes())).await.map_err(|_| {
                        Failure::permanent(
                            "upload.missing",
                            "The archive is not there any more; upload it again.",
                        )
                    })?;
                from_archive(path, wanted, scratch).await
            }
        }
    }

    /// The compressed bytes of a layer, for a blocking thread. `read` counts them as they come.
    pub(crate) fn reader(&self, layer: &Layer, read: Arc<AtomicU64>) -> Box<dyn Read + Send> {
        match (&self.from, &layer.part) {
            (From::Registry(repository), Part::Blob(blob)) => {
                let stream = repository.blob(blob.clone()).inspect(move |piece| {
                    if let Ok(piece) = piece {
                        read.fetch_add(piece.len() as u64, Ordering::Relaxed);
                    }
                });
                blocking_reader(stream)
            }
            (From::Archive(archive), Part::Archived(part)) => {
                Box::new(Counted { inner: archive.reader(part), read })
            }
            // Layers are made together with where they come from.
            _ => Box::new(std::io::empty()),
        }
    }
}

struct Counted {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

async fn from_registry(
    repository: Repository,
    manifest: &str,
    platform: &str,
    scratch: PathBuf,
) -> Result<Input, Halt> {
    let digest: Digest =
        manifest.parse().map_err(|_| Failure::permanent("digest.invalid", "The pinned digest is none."))?;
    let fetched = repository.manifest(&Version::Digest(digest)).await.map_err(registry::halt)?;
    let Document::Manifest(manifest) =
        Document::parse(&fetched.bytes, fetched.media_type.as_deref()).map_err(registry::refused)?
    else {
        return Err(
            Failure::permanent("manifest.invalid", "What was pinned is not an image any more.").into()
        );
    };
    let config = repository.blob_bytes(&manifest.config, MOST_BYTES).await.map_err(registry::halt)?;
    let read = ImageConfig::parse(&config, manifest.layers.len()).map_err(registry::refused)?;
    let wanted: Platform = platform.parse().map_err(registry::refused)?;
    if !read.platform.serves(&wanted) {
        let told = format!("The image is not there for {wanted}; it is for: {}.", read.platform);
        return Err(Failure::permanent("platform.missing", told).into());
    }
    let layers = manifest.layers.into_iter().zip(read.diff_ids).map(|(blob, diff_id)| Layer {
        name: blob.digest.to_string(),
        diff_id,
        size: blob.size,
        part: Part::Blob(blob),
    });
    let platform = read.platform.to_string();
    Ok(Input {
        config,
        platform,
        layers: layers.collect(),
        scratch,
        from: From::Registry(Box::new(repository)),
    })
}

async fn from_archive(path: PathBuf, wanted: Platform, scratch: PathBuf) -> Result<Input, Halt> {
    let dir = scratch.clone();
    let opened = tokio::task::spawn_blocking(move || open_archive(&path, &dir, &wanted));
    let ended = |_| Failure::transient("internal.thread", "A thread of the factory ended.");
    let (archive, image) = opened.await.map_err(ended)?.map_err(|e| {
        let failure =
            Failure { code: e.code().to_owned(), message: e.to_string(), transient: !e.is_permanent() };
        Halt::failed(failure, &e)
    })?;
    let layers = image.layers.into_iter().map(|layer| Layer {
        name: layer.digest.as_ref().unwrap_or(&layer.diff_id).to_string(),
        diff_id: layer.diff_id.clone(),
        size: layer.size,
        part: Part::Archived(layer),
    });
    let (config, platform) = (image.config, image.platform.to_string());
    Ok(Input { config, platform, layers: layers.collect(), scratch, from: From::Archive(Arc::new(archive)) })
}

type Opened = Result<(Archive, oci::archive::ArchiveImage), oci::archive::ArchiveError>;

fn open_archive(path: &Path, scratch: &Path, wanted: &Platform) -> Opened {
    let archive = Archive::open(path, scratch, &Limits::default())?;
    let image = archive.image(wanted)?;
    Ok((archive, image))
}

/// Tells how far the layers are, five times a second, until dropped.
pub(crate) async fn tell_progress(job: &Job, layers: &[Layer], read: &[Arc<AtomicU64>]) {
    let mut told = vec![u64::MAX; layers.len()];
    loop {
        for (place, ((layer, read), told)) in layers.iter().zip(read).zip(&mut told).enumerate() {
            let done = read.load(Ordering::Relaxed);
            if done != *told {
                *told = done;
                let (total, layers, digest) = (layer.size, layers.len(), layer.name.clone());
                job.log.progress(&Progress { layer: place, layers, digest, done, total }).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
