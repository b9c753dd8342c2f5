//! Taking what a builder made, layer by layer, while it sends it: nothing of it is written down on the way.
//!
//! A builder that can push (buildah) finds a registry of its own that knows the hub's layers ([`push`]); one that writes an OCI
//! layout (BuildKit) is read as its tar comes ([`layout`]). Either way each layer goes to the [`Taker`] as a stream, and one that
//! the taker knows is not sent, or not read.

use std::collections::HashMap;
use std::future::Future;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oci::digest::{Algorithm, Digest, Hasher};
use oci::manifest::{Document, ImageConfig, ImageManifest};

use crate::BuildError;

pub mod layout;
pub mod push;

/// A layer's bytes, compressed or not, read by whoever takes them on a thread where waiting is allowed.
pub type LayerBytes = Box<dyn Read + Send>;

/// Who takes the layers.
pub trait Taker: Send + Sync + 'static {
    /// Is a layer here already? Answers the size of its tar.
    fn known(&self, diff_id: &Digest) -> impl Future<Output = Option<u64>> + Send;

    /// Takes a layer; answers the digest of its tar.
    ///
    /// # Errors
    /// When it is no layer, or cannot be kept.
    fn take(&self, bytes: LayerBytes) -> impl Future<Output = Result<Digest, BuildError>> + Send;
}

/// An image as a builder made it. All its layers are with the taker.
#[derive(Debug, Clone)]
pub struct BuiltImage {
    /// Its manifest.
    pub manifest: ImageManifest,
    /// Its config.
    pub config: ImageConfig,
}

/// The largest document that is kept in memory.
const MAX_DOCUMENT: u64 = oci::manifest::MAX_DOCUMENT;

/// What has come so far.
#[derive(Debug, Default)]
struct Shelf(Mutex<Arrived>);

#[derive(Debug, Default)]
struct Arrived {
    documents: HashMap<Digest, bytes::Bytes>,
    /// By the digest of their bytes.
    layers: HashMap<Digest, Layer>,
    /// What went wrong with a layer: the builder is only told that it did.
    error: Option<BuildError>,
}

/// A layer that came, or need not come.
#[derive(Debug, Clone)]
struct Layer {
    diff_id: Digest,
    /// Of its bytes as they came; of the tar, where it need not come.
    size: u64,
}

impl Shelf {
    fn arrived(&self) -> MutexGuard<'_, Arrived> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The image of a manifest, once everything that it names has come.
    fn image(&self, manifest: ImageManifest) -> Result<BuiltImage, BuildError> {
        let arrived = self.arrived();
        let lacks = |what: &Digest| invalid(format!("{what} is missing"));
        let config = arrived.documents.get(&manifest.config.digest);
        let config = config.cloned().ok_or_else(|| lacks(&manifest.config.digest))?;
        let config = ImageConfig::parse(config).map_err(invalid)?;
        config.fits(manifest.layers.len()).map_err(invalid)?;
        for (layer, diff_id) in manifest.layers.iter().zip(&config.diff_ids) {
            let came = arrived.layers.get(&layer.digest).ok_or_else(|| lacks(&layer.digest))?;
            if came.diff_id != *diff_id {
                return Err(invalid(format!("layer {} is {} and not {diff_id}", layer.digest, came.diff_id)));
            }
        }
        Ok(BuiltImage { manifest, config })
    }
}

fn document(bytes: bytes::Bytes) -> Result<Document, BuildError> {
    Document::parse(bytes, None).map_err(invalid)
}

fn invalid(told: impl std::fmt::Display) -> BuildError {
    BuildError::permanent("builder.image", format!("What the builder made cannot be read: {told}."))
}

fn ended(_: tokio::task::JoinError) -> BuildError {
    BuildError::transient("internal.thread", "A thread of the factory ended.")
}

/// Is this the beginning of a layer, and not of a JSON document? `head` are its first 512 bytes, or all there are.
fn is_layer(head: &[u8]) -> bool {
    // POSIX and GNU archives say so (pax(1), `ustar`); one without entries is all zeros; the others are gzip and zstd.
    head.get(257..262) == Some(b"ustar")
        || (head.len() == 512 && head.iter().all(|byte| *byte == 0))
        || head.starts_with(&[0x1f, 0x8b])
        || head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

/// Hands a layer to the taker, and notes what it is.
async fn take<T: Taker>(
    shelf: &Shelf,
    taker: &T,
    bytes: impl Read + Send + 'static,
) -> Result<Digest, BuildError> {
    let (sender, whole) = tokio::sync::oneshot::channel();
    let bytes =
        Hashing { inner: bytes, hasher: Some(Hasher::new(Algorithm::Sha256)), size: 0, whole: Some(sender) };
    let diff_id = taker.take(Box::new(bytes)).await?;
    let (digest, size) = whole.await.map_err(|_| invalid("a layer was not read to its end"))?;
    shelf.arrived().layers.insert(digest.clone(), Layer { diff_id, size });
    Ok(digest)
}

/// Hashes what is read, and tells at its end.
struct Hashing<R> {
    inner: R,
    hasher: Option<Hasher>,
    size: u64,
    whole: Option<tokio::sync::oneshot::Sender<(Digest, u64)>>,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.size += read as u64;
        if let (Some(hasher), Some(fresh)) = (&mut self.hasher, into.get(..read)) {
            hasher.update(fresh);
        }
        if read == 0
            && !into.is_empty()
            && let (Some(hasher), Some(whole)) = (self.hasher.take(), self.whole.take())
        {
            let _ = whole.send((hasher.finish(), self.size));
        }
        Ok(read)
    }
}
