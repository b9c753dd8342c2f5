//! `image.flattened`: an image is stored. Read it back, and let it go live only if it is exactly what was made.
//!
//! The layer is read whole, once: its blob digest, its diff_id, and the certificate of its file tree are computed
//! again from the stored bytes, by code that shares nothing with the emitter. A layer that was verified for another
//! image before is not read again.

use std::io::{self, Read};
use std::sync::mpsc::Sender;

use chassis::stage::Worker;
use chassis::{Context, Halt, Job};
use db::import::Claim;
use db::store::served::ServedBlob;
use model::Failure;
use model::log::Stage;
use oci::limits::Limits;
use sha2::{Digest, Sha256};
use store::{Run, Store, UploadId};
use tokio_util::sync::CancellationToken;

/// Verifies stored images.
pub(crate) struct Verify {
    pub(crate) store: Store,
}

/// What an image claims to be.
struct Claimed {
    diff_id: String,
    certificate: String,
}

impl Worker for Verify {
    const STAGE: Stage = Stage::Distributor;

    async fn claim(&self, cx: &Context) -> db::Result<Option<Claim>> {
        cx.db.claim_to_verify(&cx.instance).await
    }

    async fn work(&self, cx: &Context, job: &Job) -> Result<(), Halt> {
        let image = &job.claim.image;
        let row = cx.db.image(&job.claim.hub, image.as_str()).await?.ok_or(Halt::LeaseLost)?;
        let (Some(diff_id), Some(flat)) = (row.diff_id, row.flat) else {
            return Err(wrong("the image has no figures").into());
        };
        let claimed = Claimed { diff_id, certificate: flat.figures.certificate };
        let mut kinds = Vec::new();
        for (kind, blob) in cx.db.served_by(image).await? {
            match &blob.body {
                Some(body) => check_document(&blob, body)?,
                None => self.check_layer(cx, job, &blob, &claimed).await?,
            }
            kinds.push(kind);
        }
        if !["manifest", "config", "layer"].iter().all(|kind| kinds.iter().any(|k| k == kind)) {
            return Err(wrong("a part of the image is missing").into());
        }
        job.log
            .say(format!("Verified: what is stored is what was made (certificate {}).", claimed.certificate));
        job.log.say(format!("Live: {} of {}, one layer.", row.name, row.source.identifier));
        let end = job.log.flush().await;
        cx.db.live(&job.claim, &claimed.certificate, end).await?;
        // A staged archive has served its purpose; if this fails, the pruner's sweep finds it.
        let _ = self.store.delete_upload(UploadId::of(image.to_bytes())).await;
        Ok(())
    }
}

impl Verify {
    async fn check_layer(
        &self,
        cx: &Context,
        job: &Job,
        blob: &ServedBlob,
        claimed: &Claimed,
    ) -> Result<(), Halt> {
        if let Some(before) = cx.db.recipe_verified(&blob.digest).await? {
            return same("certificate", &before, &claimed.certificate).map_err(Halt::from);
        }
        let runs = crate::runs::of(cx.db.recipe(&blob.digest).await?).map_err(damaged)?;
        let store = self.store.clone();
        let lost = job.lost.clone();
        let read = tokio::task::spawn_blocking(move || read_back(&store, &runs, lost));
        let read = read.await.map_err(|e| wrong(&e.to_string()))?.map_err(damaged)?;
        same("blob digest", &read.digest, &blob.digest)?;
        same("diff_id", &read.diff_id, &claimed.diff_id)?;
        same("certificate", &read.certificate, &claimed.certificate)?;
        cx.db.recipe_is_verified(&blob.digest, &read.certificate).await?;
        Ok(())
    }
}

struct ReadBack {
    digest: String,
    diff_id: String,
    certificate: String,
}

/// One pass over the stored bytes. The layer reader decompresses them and computes the diff_id; the blob's own digest
/// is taken below it, and handed back when the reader is done with it.
fn read_back(
    store: &Store,
    runs: &[Run],
    lost: CancellationToken,
) -> Result<ReadBack, Box<dyn std::error::Error + Send + Sync>> {
    let (done, digest) = std::sync::mpsc::channel();
    let blob = Hashing { inner: store.reader(runs)?, hash: Sha256::new(), done, lost };
    let (certificate, diff_id) = flatten::certify(blob, Limits::stored())?;
    let digest = digest.recv()?;
    let name = |bytes: &[u8]| format!("sha256:{}", hex::encode(bytes));
    Ok(ReadBack { digest: name(&digest), diff_id: name(&diff_id), certificate: certificate.to_string() })
}

/// A reader that hashes what passes, tells the digest when it is dropped, and ends when the claim is lost.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
    done: Sender<[u8; 32]>,
    lost: CancellationToken,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.lost.is_cancelled() {
            return Err(io::Error::other("the lease was lost"));
        }
        let read = self.inner.read(into)?;
        self.hash.update(into.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl<R> Drop for Hashing<R> {
    fn drop(&mut self) {
        let _ = self.done.send(std::mem::take(&mut self.hash).finalize().into());
    }
}

fn check_document(blob: &ServedBlob, body: &[u8]) -> Result<(), Failure> {
    same("document", &format!("sha256:{}", hex::encode(Sha256::digest(body))), &blob.digest)
}

fn same(what: &str, read: &str, expected: &str) -> Result<(), Failure> {
    if read == expected { Ok(()) } else { Err(wrong(&format!("its {what} is {read}, not {expected}"))) }
}

fn wrong(why: &str) -> Failure {
    Failure::permanent("verify.failed", format!("What was stored is not what was made: {why}."))
}

fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Halt {
    let error = error.into();
    let said = "What was stored could not be read back; import the image again.";
    Halt::failed(Failure::permanent("verify.unreadable", said), error.as_ref())
}
