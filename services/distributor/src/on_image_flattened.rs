//! `image.flattened`: an image is stored. Read it back, and let it go live only if it is exactly what was made.
//!
//! Every piece of a layer was read back when it was stored, by code that shares nothing with what wrote it, and what was
//! found is kept: the certificate of the file tree is put together from that. A layer of which something has no proof is read
//! whole: its blob digest, its diff_id, and its certificate are computed again from the stored bytes. A layer that was
//! verified for another image before is not looked at again.

use std::io::{self, Read};

use chassis::stage::Worker;
use chassis::{Context, Halt, Job};
use db::import::Claim;
use db::store::served::ServedBlob;
use flatten::{Certificate, read_back};
use model::Failure;
use model::image::FlatPlatform;
use model::log::Stage;
use sha2::{Digest, Sha256};
use store::{Store, UploadId};
use tokio_util::sync::CancellationToken;

/// Verifies stored images.
pub(crate) struct Verify {
    pub(crate) store: Store,
}

impl Worker for Verify {
    const STAGE: Stage = Stage::Distributor;

    async fn claim(&self, cx: &Context, _: bool) -> db::Result<Option<Claim>> {
        cx.db.claim_to_verify(&cx.instance).await
    }

    async fn work(&self, cx: &Context, job: &Job) -> Result<(), Halt> {
        let image = &job.claim.image;
        let row = cx.db.image(&job.claim.hub, image.as_str()).await?.ok_or(Halt::LeaseLost)?;
        let flat = row.flat.ok_or_else(|| wrong("the image has no figures"))?.figures;
        let served = cx.db.served_by(image).await?;
        let mut found = Vec::new();
        let mut fresh = Vec::new();
        for platform in &flat.platforms {
            for (what, digest) in [("manifest", &platform.digest), ("layer", &platform.layer)] {
                if !served.iter().any(|(kind, blob)| kind == what && blob.digest == *digest) {
                    return Err(wrong(&format!("a {what} is missing")).into());
                }
            }
            let (certificate, before) = self.check_layer(cx, job, platform).await?;
            if !before {
                fresh.push((platform.layer.clone(), certificate.clone()));
            }
            found.push((platform.platform.as_str(), certificate));
        }
        for (_, blob) in &served {
            if let Some(body) = &blob.body {
                check_document(blob, body)?;
            }
        }
        let whole = Certificate::of_platforms(found.iter().map(|(p, c)| (*p, c.as_str()))).to_string();
        same("certificate", &whole, &flat.certificate)?;
        job.log.say(format!("Verified: what is stored is what was made (certificate {whole})."));
        job.log.say(format!("Live: {} of {}, one layer.", row.name, row.source.identifier));
        let end = job.log.flush().await;
        cx.db.live(&job.claim, &whole, &fresh, end).await?;
        // A staged archive has served its purpose; if this fails, the pruner's sweep finds it.
        let _ = self.store.delete_upload(UploadId::of(image.to_bytes())).await;
        Ok(())
    }
}

impl Verify {
    /// The certificate of a layer whose pieces were all read back when they were stored, if they were.
    async fn composed(
        &self,
        cx: &Context,
        job: &Job,
        claimed: &FlatPlatform,
    ) -> Result<Option<String>, Halt> {
        let Some(recipe) = cx.db.proven_recipe(&claimed.layer).await? else { return Ok(None) };
        let count = recipe.chunks.len();
        let composed = tokio::task::spawn_blocking(move || crate::composed::certificate(&recipe)).await;
        let Some(certificate) = composed.map_err(|e| wrong(&e.to_string()))?.map_err(damaged)? else {
            return Ok(None);
        };
        let certificate = certificate.to_string();
        same("certificate", &certificate, &claimed.certificate)?;
        job.log.say(format!("All {count} pieces of the layer were read back and proved."));
        Ok(Some(certificate))
    }

    /// The certificate of a layer's stored bytes, which must be what the image claims; and whether that was found before.
    async fn check_layer(
        &self,
        cx: &Context,
        job: &Job,
        claimed: &FlatPlatform,
    ) -> Result<(String, bool), Halt> {
        if let Some(before) = cx.db.recipe_verified(&claimed.layer).await? {
            same("certificate", &before, &claimed.certificate)?;
            return Ok((before, true));
        }
        if let Some(composed) = self.composed(cx, job, claimed).await? {
            return Ok((composed, false));
        }
        let runs = crate::runs::of(cx.db.recipe(&claimed.layer).await?).map_err(damaged)?;
        let blob = WhileHeld { inner: self.store.reader(&runs).map_err(damaged)?, lost: job.lost.clone() };
        let read = tokio::task::spawn_blocking(move || read_back(blob));
        let read = read.await.map_err(|e| wrong(&e.to_string()))?.map_err(damaged)?;
        let certificate = read.certificate.to_string();
        same("blob digest", &sha256(&read.digest), &claimed.layer)?;
        same("diff_id", &sha256(&read.diff_id), &claimed.diff_id)?;
        same("certificate", &certificate, &claimed.certificate)?;
        Ok((certificate, false))
    }
}

/// Ends when the claim is lost.
struct WhileHeld<R> {
    inner: R,
    lost: CancellationToken,
}

impl<R: Read> Read for WhileHeld<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.lost.is_cancelled() {
            return Err(io::Error::other("the lease was lost"));
        }
        self.inner.read(into)
    }
}

fn check_document(blob: &ServedBlob, body: &[u8]) -> Result<(), Failure> {
    same("document", &sha256(&Sha256::digest(body)), &blob.digest)
}

fn sha256(digest: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest))
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
