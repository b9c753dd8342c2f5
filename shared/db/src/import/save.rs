//! The factory's last transaction: chunks, recipes, documents, figures, state and event become true together.

use std::collections::BTreeMap;

use model::event::ImageFlattened;
use model::image::{FlatFigures, FlatPlatform, Served};
use model::log::Stage;
use sqlx::types::Json;

use super::*;
use crate::store::{NewChunk, NewContent, RecipeUse, SavedLayer};

/// Everything an import stored.
#[derive(Debug, Clone)]
pub struct Saved {
    /// The pack written, if anything was new, and its size in bytes.
    pub pack: Option<(String, u64)>,
    /// Chunks in that pack.
    pub new_chunks: Vec<NewChunk>,
    /// Proofs of chunks that were known, by their ids.
    pub proofs: Vec<(i64, Vec<u8>)>,
    /// Large contents that were read back and proved.
    pub contents: Vec<NewContent>,
    /// The layers it was made of, where they are known by a digest.
    pub layers: Vec<SavedLayer>,
    /// How they are compressed: `zstd-3`.
    pub codec: String,
    /// The version of the flattening rules.
    pub rules: i32,
    /// The flat layer of each platform; never empty.
    pub flats: Vec<SavedFlat>,
    /// Manifests, configs, an index: digest and body.
    pub documents: Vec<(String, Vec<u8>)>,
    /// What the image serves.
    pub served: Vec<Served>,
    /// Figures of the whole.
    pub figures: FlatFigures,
    /// Warnings of the whole.
    pub warnings: Vec<String>,
    /// Digest of the manifest, or of the index where there are several.
    pub manifest: String,
    /// The config as served, of the first platform.
    pub config: serde_json::Value,
}

/// The flat layer of one platform.
#[derive(Debug, Clone)]
pub struct SavedFlat {
    /// What was flattened, as it is known by: see [`Db::known_flat`].
    pub source: String,
    /// The layer.
    pub recipe: RecipeUse,
    /// Its figures.
    pub figures: FlatPlatform,
    /// What was odd about its source.
    pub warnings: Vec<String>,
}

impl Db {
    /// Saves what an import stored and hands it on to the distributor.
    ///
    /// # Errors
    /// [`DbError::LeaseLost`] when the claim is somebody else's by now; [`DbError::Conflict`] when a pack that was
    /// to be shared has been reclaimed (the next attempt writes it again), or the hub's quota would be exceeded.
    pub async fn flattened(&self, claim: &Claim, saved: &Saved, end_seq: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        // A small image comes here without having stayed anywhere; its states are told all the same.
        tx.pass(claim, State::Saving, "factory").await?;
        let used = tx.save_recipes(&claim.hub, saved).await?;
        tx.remember_flats(&claim.hub, saved).await?;
        tx.save_layers(&claim.image, &saved.layers).await?;
        tx.save_documents(&claim.image, saved).await?;
        let platforms: Vec<String> = saved.flats.iter().map(|flat| flat.figures.platform.clone()).collect();
        let diff_id = saved.flats.first().map(|flat| flat.figures.diff_id.clone()).unwrap_or_default();
        let done = sqlx::query!(
            "update image set flat = $3, warnings = $4, platforms = $5, manifest_digest = $6, diff_id = $7, config = $8,
                size = $9, platform = ($5::text[])[1], lease_until = null, lease_owner = null, lapses = 0
             where id = $1 and attempt = $2 and requested_at is not null",
            claim.image.as_str(),
            claim.attempt,
            Json(&FlatFigures { bytes_new: used, ..saved.figures.clone() }) as _,
            Json(&saved.warnings) as _,
            &platforms,
            saved.manifest,
            diff_id,
            saved.config,
            crate::bigint(saved.figures.bytes_out)
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
            diff_id,
        };
        tx.tell(&claim.hub, Some(claim.image.as_str()), "factory", &event).await?;
        tx.log_ends(claim, Stage::Factory, end_seq).await?;
        tx.commit().await
    }
}

impl Tx {
    /// What was flattened here needs no second flattening in this hub.
    async fn remember_flats(&mut self, hub: &HubId, saved: &Saved) -> Result<()> {
        for flat in &saved.flats {
            sqlx::query!(
                "insert into flattened (hub_id, source, codec, rules, recipe, figures, warnings)
                 values ($1, $2, $3, $4, $5, $6, $7)
                 on conflict (hub_id, source, codec, rules) do update
                    set recipe = excluded.recipe, figures = excluded.figures, warnings = excluded.warnings",
                hub.as_str(),
                flat.source,
                saved.codec,
                saved.rules,
                flat.recipe.digest(),
                Json(&flat.figures) as _,
                Json(&flat.warnings) as _
            )
            .execute(self.conn())
            .await?;
        }
        Ok(())
    }

    async fn save_documents(&mut self, image: &ImageId, saved: &Saved) -> Result<()> {
        // One order for everybody, each once.
        let documents: BTreeMap<_, _> = saved.documents.iter().map(|(digest, body)| (digest, body)).collect();
        let digests: Vec<String> = documents.keys().map(|digest| (*digest).clone()).collect();
        let bodies: Vec<Vec<u8>> = documents.into_values().cloned().collect();
        // The update locks a row that is there already, so that a reclaim cannot take it away under us.
        sqlx::query!(
            "insert into document (digest, body) select * from unnest($1::text[], $2::bytea[])
             on conflict (digest) do update set body = excluded.body",
            &digests,
            &bodies
        )
        .execute(self.conn())
        .await?;
        let column =
            |of: fn(&Served) -> &str| saved.served.iter().map(|s| of(s).to_owned()).collect::<Vec<_>>();
        let sizes: Vec<i64> = saved.served.iter().map(|served| crate::bigint(served.size)).collect();
        sqlx::query!(
            "insert into image_served (image_id, digest, kind, media_type, size)
             select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) on conflict do nothing",
            image.as_str(),
            &column(|served| &served.digest),
            &column(|served| served.kind.as_str()),
            &column(|served| &served.media_type),
            &sizes
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }
}
