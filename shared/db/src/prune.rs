//! Choosing images to let go, and letting them go.

use std::time::Duration;

use model::api::{PruneReport, PrunedImage};
use model::event::ImagePruned;
use model::{HubId, ImageId, State};

use crate::{Db, Result, Tx, bytes};

/// Which images a prune may choose.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Only of these sources, by id or identifier.
    pub sources: Option<Vec<String>>,
    /// Only live, and not pulled, for at least this long.
    pub min_age: Duration,
    /// Keep this many of each source's newest live images.
    pub keep_last: u32,
}

impl Default for Choice {
    fn default() -> Self {
        Self { sources: None, min_age: Duration::from_secs(15 * 60), keep_last: 0 }
    }
}

impl Db {
    /// Chooses unused images of a hub and, unless it is a dry run, lets them go.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn prune(
        &self,
        hub: &HubId,
        choice: &Choice,
        dry_run: bool,
        from: &str,
    ) -> Result<PruneReport> {
        let mut tx = self.begin().await?;
        let report = tx.prune(hub, choice, from).await?;
        // A dry run does everything, and then nothing: the transaction is dropped.
        if !dry_run {
            tx.commit().await?;
        }
        Ok(PruneReport { dry_run, ..report })
    }

    /// Deletes one image, live or not. False when its state does not allow it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_image(&self, hub: &HubId, image: &ImageId, from: &str) -> Result<bool> {
        let mut tx = self.begin().await?;
        let free = sqlx::query_scalar!(
            "select id from image where id = $1 and hub_id = $2 and state in ('new', 'live') and requested_at is null
             for update",
            image.as_str(),
            hub.as_str()
        )
        .fetch_optional(tx.conn())
        .await?;
        if free.is_none() {
            return Ok(false);
        }
        tx.let_go(hub, image, "deleted", from).await?;
        tx.commit().await?;
        Ok(true)
    }
}

impl Tx {
    /// Chooses unused images of a hub and lets them go.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn prune(&mut self, hub: &HubId, choice: &Choice, from: &str) -> Result<PruneReport> {
        let images = self.choose(hub, choice).await?;
        let ids: Vec<String> = images.iter().map(|i| i.id.to_string()).collect();
        let bytes_freed = self.would_free(hub, &ids).await?;
        for image in &images {
            self.let_go(hub, &image.id, "unused", from).await?;
        }
        Ok(PruneReport { dry_run: false, images, bytes_freed })
    }

    async fn choose(&mut self, hub: &HubId, choice: &Choice) -> Result<Vec<PrunedImage>> {
        let rows = sqlx::query!(
            r#"select i.id, i.name, i.last_used, i.size as "size!" from image i join image_source s on s.id = i.source_id
               where i.hub_id = $1 and i.state = 'live' and ($2::text[] is null or s.id = any($2) or s.identifier = any($2))
                 and greatest(i.live_at, i.last_used) <= now() - make_interval(secs => $3)
                 and (select count(*) from image n where n.source_id = i.source_id and n.state = 'live'
                        and (n.live_at, n.id) > (i.live_at, i.id)) >= $4
               order by i.live_at, i.id for update of i"#,
            hub.as_str(),
            choice.sources.as_deref(),
            choice.min_age.as_secs_f64(),
            i64::from(choice.keep_last)
        )
        .fetch_all(self.conn())
        .await?;
        Ok(rows
            .into_iter()
            .map(|r| PrunedImage {
                id: ImageId::stored(r.id),
                name: r.name,
                last_used: r.last_used,
                reason: if r.last_used.is_some() { "not pulled lately" } else { "never pulled" }.to_owned(),
                size: bytes(r.size),
            })
            .collect())
    }

    /// Bytes the hub would no longer use if these images went: chunks that no other image of it has.
    async fn would_free(&mut self, hub: &HubId, images: &[String]) -> Result<u64> {
        let freed = sqlx::query_scalar!(
            r#"select coalesce(sum(c.length), 0)::bigint as "n!" from (
                   select u.id, count(*) as images from (
                       select distinct v.image_id, w.id from image_served v join recipe r on r.digest = v.digest,
                       unnest(r.chunks) as w (id) where v.image_id = any($2)) u
                   group by u.id) going
               join hub_chunk h on h.chunk_id = going.id and h.hub_id = $1 and h.images = going.images
               join chunk c on c.id = going.id"#,
            hub.as_str(),
            images
        )
        .fetch_one(self.conn())
        .await?;
        Ok(bytes(freed))
    }

    async fn let_go(&mut self, hub: &HubId, image: &ImageId, reason: &str, from: &str) -> Result<()> {
        let attempt = sqlx::query_scalar!(
            "update image set attempt = attempt + 1, secrets = '{}' where id = $1 returning attempt",
            image.as_str()
        )
        .fetch_one(self.conn())
        .await?;
        self.transition(image, attempt, State::Deleting, from).await?;
        let event = ImagePruned { image: image.clone(), reason: reason.to_owned() };
        self.tell(hub, Some(image.as_str()), from, &event).await
    }
}
