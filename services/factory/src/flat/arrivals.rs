//! Layers that come from a builder: each goes into the store as it comes, before it is known which image it belongs to.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ::build::BuildError;
use ::build::receive::{LayerBytes, Taker};
use chassis::{Context, Halt, Job};
use oci::digest::Digest;
use oci::source::{Image, Layer};
use store::{Codec, Store};

use super::failed::layer_failed;
use super::layers::{Layers, ReadLayer, Receiver};
use super::{Flattener, thread_ended};

/// Takes the layers of one import.
pub(crate) struct Arrivals {
    cx: Context,
    job: Job,
    store: Store,
    codec: Codec,
    scratch: PathBuf,
    /// Made once there is something to keep; gone once it is taken.
    flattener: tokio::sync::Mutex<Option<Flattener>>,
    layers: Mutex<HashMap<Digest, ReadLayer>>,
    /// What the builder is not told, and the user is.
    halt: Mutex<Option<Halt>>,
}

impl Arrivals {
    pub(crate) fn new(cx: &Context, job: &Job, store: &Store, codec: Codec, scratch: PathBuf) -> Self {
        Self {
            cx: cx.clone(),
            job: job.clone(),
            store: store.clone(),
            codec,
            scratch,
            flattener: tokio::sync::Mutex::default(),
            layers: Mutex::default(),
            halt: Mutex::default(),
        }
    }

    /// What ended it, if the taking of a layer did.
    pub(crate) fn halt(&self) -> Option<Halt> {
        self.halt.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What flattens these images: the layers that they have were all taken. None where nothing came and nothing is to be made.
    pub(super) async fn flattener(&self, images: &[&Image]) -> Result<Option<Flattener>, Halt> {
        let mut begun = self.flattener.lock().await.take();
        if begun.is_none() && !images.is_empty() {
            begun = Some(self.begin().await?);
        }
        if let Some(flattener) = &mut begun {
            flattener.layers.adopt(images, &self.layers.lock().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(begun)
    }

    async fn begin(&self) -> Result<Flattener, Halt> {
        Flattener::new(&self.cx, &self.job, &self.store, self.codec, &[]).await
    }

    async fn receiver(&self) -> Result<Receiver, Halt> {
        let mut flattener = self.flattener.lock().await;
        let begun = match flattener.take() {
            Some(begun) => begun,
            None => self.begin().await?,
        };
        Ok(flattener.insert(begun).layers.receiver())
    }

    fn have(&self, diff_id: &Digest) -> Option<u64> {
        let layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.get(diff_id).map(|layer| layer.index.plain)
    }

    fn keep(&self, diff_id: Digest, layer: ReadLayer) {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner).insert(diff_id, layer);
    }

    async fn receive(&self, bytes: LayerBytes) -> Result<Digest, Halt> {
        let layers = self.receiver().await?;
        let scratch = self.scratch.clone();
        let lost = self.job.lost.clone();
        let bytes = Watched { inner: bytes, lost };
        let read = tokio::task::spawn_blocking(move || layers.receive(&scratch, Box::new(bytes))).await;
        let layer = read.map_err(|_| thread_ended())?.map_err(|error| {
            let nameless = Digest::of(b"");
            let layer = Layer { digest: None, diff_id: nameless, size: 0, media_type: String::new() };
            layer_failed(&layer, 0, &error)
        })?;
        let diff_id = Digest::from_sha256(layer.index.diff_id);
        self.job.log.say(format!(
            "Layer {diff_id}: {} entries, {} bytes unpacked.",
            layer.index.entries(),
            layer.index.plain
        ));
        self.keep(diff_id.clone(), layer);
        Ok(diff_id)
    }
}

impl Taker for Arrivals {
    async fn known(&self, diff_id: &Digest) -> Option<u64> {
        if let Some(size) = self.have(diff_id) {
            return Some(size);
        }
        // After a failure nothing is taken for known: perhaps that was what failed.
        if self.job.claim.failures > 0 {
            return None;
        }
        let known = Layers::known_tar(&self.cx, &self.job.claim.hub, diff_id).await.ok()??;
        let size = known.index.plain;
        self.keep(diff_id.clone(), known);
        Some(size)
    }

    async fn take(&self, bytes: LayerBytes) -> Result<Digest, BuildError> {
        self.receive(bytes).await.map_err(|halt| {
            let told = BuildError::transient("build.layer", format!("A layer could not be taken: {halt}."));
            self.halt.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(halt);
            told
        })
    }
}

/// Ends when the claim is lost.
struct Watched {
    inner: LayerBytes,
    lost: tokio_util::sync::CancellationToken,
}

impl Read for Watched {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.lost.is_cancelled() {
            return Err(std::io::Error::other("the lease was lost"));
        }
        self.inner.read(into)
    }
}
