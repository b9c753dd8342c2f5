//! What is imported, whatever it comes from: for each platform a config, and layers that can be read.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chassis::job::OpenSource;
use chassis::{Context, Halt, Job, registry};
use model::Failure;
use model::log::Progress;
use model::pin::Pin;
use oci::archive::{Archive, Caps};
use oci::digest::Digest;
use oci::manifest::{Platform, PlatformError, Platforms};
use oci::reference::TagOrDigest;
use oci::registry::Client;
use oci::source::{Image, Layer};
use store::{Store, UploadId};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::build;
use crate::flat::{self, Arrivals};

/// What is imported.
pub(crate) struct Input {
    /// Config and layers of each platform; never empty.
    pub images: Vec<Image>,
    /// Where contents are spooled.
    pub scratch: PathBuf,
    /// What has come already, of an image that was built.
    pub arrived: Option<Arc<Arrivals>>,
}

/// What a layer is called in logs.
pub(crate) fn name(layer: &Layer) -> &Digest {
    layer.digest.as_ref().unwrap_or(&layer.diff_id)
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
        let mut arrived = None;
        let images = match pin {
            Pin::Registry { .. } => {
                let mut images = Vec::new();
                for (manifest, platform) in pin.manifests() {
                    images.push(from_registry(client, source, manifest, platform).await?);
                }
                images
            }
            Pin::Upload { .. } => {
                let path =
                    store.upload_path(UploadId::of(job.claim.image.to_bytes())).await.map_err(|_| {
                        Failure::permanent(
                            "upload.missing",
                            "The archive is not there any more; upload it again.",
                        )
                    })?;
                let caps = Caps { plain_bytes: cx.config.max_bytes, ..Caps::default() };
                from_archive(path, source, scratch.clone(), caps).await?
            }
            Pin::Build { context } => {
                let codec = flat::codec(source.flat.codec)?;
                let arrivals = Arc::new(Arrivals::new(cx, job, store, codec, scratch.clone()));
                let images = build::build(cx, job, client, store, source, context, &arrivals).await?;
                arrived = Some(arrivals);
                images
            }
        };
        Ok(Self { images, scratch, arrived })
    }
}

/// The compressed bytes of a layer. Blocks. `read` counts them as they come; a lost claim ends them.
pub(crate) fn reader(
    image: &Image,
    place: usize,
    read: Arc<AtomicU64>,
    lost: CancellationToken,
    runtime: &Handle,
) -> impl Read + Send + 'static + use<> {
    // An error of opening comes out where the first byte would have: there it is told like any other.
    let inner = image.open_layer(place, runtime);
    Counted { inner: inner.map_err(|error| Some(io::Error::other(error))), read, lost }
}

struct Counted {
    inner: Result<Box<dyn Read + Send>, Option<io::Error>>,
    read: Arc<AtomicU64>,
    lost: CancellationToken,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.lost.is_cancelled() {
            return Err(io::Error::other("the lease was lost"));
        }
        let read = match &mut self.inner {
            Ok(inner) => inner.read(into)?,
            Err(error) => return Err(error.take().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())),
        };
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

async fn from_registry(
    client: &Client,
    source: &OpenSource,
    manifest: &str,
    platform: &str,
) -> Result<Image, Halt> {
    let refuse = |code, sentence: String| Failure::permanent(code, sentence);
    let target = registry::target(&source.origin, source.origin.target().unwrap_or_default())
        .map_err(|e| refuse(e.code(), e.to_string()))?
        .ok_or_else(|| refuse("source.empty", "The source has no registry any more.".to_owned()))?;
    let manifest: Digest =
        manifest.parse().map_err(|_| refuse("digest.invalid", "The pinned digest is none.".into()))?;
    let platform: Platform = platform.parse().map_err(|e: PlatformError| refuse(e.code(), e.to_string()))?;
    let repository = client.repository(&target, registry::credentials(&source.origin));
    // The choice was made when it was pinned, by an index that may have known more than the config says.
    let images = repository.images(&TagOrDigest::Digest(manifest), &Platforms::All).await;
    let image = images.map_err(registry::halt)?.into_iter().next();
    let mut image: Image =
        image.ok_or_else(|| refuse("manifest.invalid", "The pinned manifest is none.".into()))?.into();
    image.platform = platform;
    Ok(image)
}

async fn from_archive(
    path: PathBuf,
    source: &OpenSource,
    scratch: PathBuf,
    caps: Caps,
) -> Result<Vec<Image>, Halt> {
    let wanted = registry::platforms(source.flat.platform.as_deref())
        .map_err(|e| Failure::permanent(e.code(), e.to_string()))?;
    let opened =
        tokio::task::spawn_blocking(move || Archive::open(&path, &scratch, &caps)?.choose(&wanted, None));
    let ended = |_| Failure::transient("internal.thread", "A thread of the factory ended.");
    opened.await.map_err(ended)?.map_err(|e| {
        let failure = Failure::new(e.code(), e.to_string(), !e.is_permanent());
        Halt::failed(failure, &e)
    })
}

/// Tells how far the layers are, five times a second, until dropped. `before` of `all` layers of the import were read
/// for other platforms.
pub(crate) async fn tell_progress(
    job: &Job,
    layers: &[Layer],
    read: &[Arc<AtomicU64>],
    before: usize,
    all: usize,
) {
    let mut told = vec![u64::MAX; layers.len()];
    loop {
        for (place, ((layer, read), told)) in layers.iter().zip(read).zip(&mut told).enumerate() {
            let done = read.load(Ordering::Relaxed);
            if done != *told {
                *told = done;
                let (layer, total, digest) = (before + place, layer.size, name(layer).to_string());
                job.log.progress(&Progress { layer, layers: all, digest, done, total }).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
