//! The factory's last transaction: chunks, recipe, documents, figures, state and event become true together.

use model::event::ImageFlattened;
use model::image::{FlatFigures, Served};
use model::log::Stage;
use sqlx::types::Json;

use super::*;
use crate::store::{NewChunk, NewRecipe};

/// Everything an import stored.
#[derive(Debug, Clone)]
pub struct Saved {
    /// The pack written, if anything was new, and its size in bytes.
    pub pack: Option<(String, u64)>,
    /// Chunks in that pack.
    pub new_chunks: Vec<NewChunk>,
    /// The flat layer.
    pub recipe: NewRecipe,
    /// Manifest and config: digest and body.
    pub documents: Vec<(String, Vec<u8>)>,
    /// What the image serves.
    pub served: Vec<Served>,
    /// Figures.
    pub figures: FlatFigures,
    /// Warnings.
    pub warnings: Vec<String>,
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// Digest of the manifest.
    pub manifest: String,
    /// The config as served.
    pub config: serde_json::Value,
}

impl Db {
    /// Saves what an import stored and hands it on to the distributor.
    ///
    /// # Errors
    /// [`DbError::LeaseLost`] when the claim is somebody else's by now; [`DbError::Conflict`] when a pack that was
    /// to be shared has been reclaimed (the next attempt writes it again), or the hub's quota would be exceeded.
    pub async fn flattened(&self, claim: &Claim, saved: &Saved, end_seq: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.transition(&claim.image, claim.attempt, State::Saving, "factory").await?;
        let used = tx.save_recipe(&claim.hub, saved).await?;
        tx.save_documents(&claim.image, saved).await?;
        let done = sqlx::query!(
            "update image set flat = $3, warnings = $4, platform = $5, manifest_digest = $6, diff_id = $7, config = $8,
                size = $9, lease_until = null, lease_owner = null, lapses = 0
             where id = $1 and attempt = $2 and requested_at is not null",
            claim.image.as_str(),
            claim.attempt,
            Json(&FlatFigures { bytes_new: used, ..saved.figures.clone() }) as _,
            Json(&saved.warnings) as _,
            saved.platform,
            saved.manifest,
            saved.recipe.diff_id,
            saved.config,
            crate::bigint(saved.recipe.size)
        )
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(DbError::LeaseLost);
        }
        // From here on the image's own use keeps its packs.
        sqlx::query!("delete from pack_hold where image_id = $1", claim.image.as_str())
            .execute(tx.conn())
            .await?;
        let event = ImageFlattened {
            image: claim.image.clone(),
            attempt: claim.attempt,
            digest: saved.manifest.clone(),
            diff_id: saved.recipe.diff_id.clone(),
        };
        tx.tell(&claim.hub, Some(claim.image.as_str()), "factory", &event).await?;
        tx.log_ends(claim, Stage::Factory, end_seq).await?;
        tx.commit().await
    }
}

impl Tx {
    async fn save_documents(&mut self, image: &ImageId, saved: &Saved) -> Result<()> {
        for (digest, body) in &saved.documents {
            // The update locks a row that is there already, so that a reclaim cannot take it away under us.
            sqlx::query!(
                "insert into document (digest, body) values ($1, $2)
                 on conflict (digest) do update set body = excluded.body",
                digest,
                body
            )
            .execute(self.conn())
            .await?;
        }
        for served in &saved.served {
            sqlx::query!(
                "insert into image_served (image_id, digest, kind, media_type, size) values ($1, $2, $3, $4, $5)
                 on conflict do nothing",
                image.as_str(),
                served.digest,
                served.kind.as_str(),
                served.media_type,
                crate::bigint(served.size)
            )
            .execute(self.conn())
            .await?;
        }
        Ok(())
    }
}
