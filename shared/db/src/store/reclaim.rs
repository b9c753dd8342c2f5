//! Letting bytes go: first the use, then the rows, then the objects.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{HubId, ImageId};

use crate::{Db, Result, Tx};

impl Tx {
    /// Takes away everything an image holds: what it serves, its share of chunks, and recipes and documents that
    /// nobody else serves.
    pub(crate) async fn release(&mut self, hub: &HubId, image: &ImageId) -> Result<()> {
        let digests =
            sqlx::query_scalar!("select digest from image_served where image_id = $1", image.as_str())
                .fetch_all(self.conn())
                .await?;
        // Lock first, look afterwards: an import that is saving the same recipe or document holds its row.
        let chunks = sqlx::query_scalar!(
            r#"select r.chunks from recipe r where r.digest = any($1) order by r.digest for update"#,
            &digests
        )
        .fetch_all(self.conn())
        .await?;
        sqlx::query!(
            "select digest from document where digest = any($1) order by digest for update",
            &digests
        )
        .fetch_all(self.conn())
        .await?;
        // A chunk that two of an image's layers have was counted once.
        let chunks: BTreeSet<i64> = chunks.into_iter().flatten().collect();
        self.unuse_chunks(hub, &chunks.into_iter().collect::<Vec<_>>()).await?;
        self.forget_layers(image).await?;
        sqlx::query!("delete from image_served where image_id = $1", image.as_str())
            .execute(self.conn())
            .await?;
        sqlx::query!(
            "delete from recipe r where r.digest = any($1)
             and not exists (select 1 from image_served s where s.digest = r.digest)",
            &digests
        )
        .execute(self.conn())
        .await?;
        sqlx::query!(
            "delete from document d where d.digest = any($1)
             and not exists (select 1 from image_served s where s.digest = d.digest)",
            &digests
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }

    async fn unuse_chunks(&mut self, hub: &HubId, chunks: &[i64]) -> Result<()> {
        // Locked in the order of ids, as imports do when they count up.
        sqlx::query!(
            "select chunk_id from hub_chunk where hub_id = $1 and chunk_id = any($2) order by chunk_id for update",
            hub.as_str(),
            chunks
        )
        .fetch_all(self.conn())
        .await?;
        sqlx::query!(
            "delete from hub_chunk where hub_id = $1 and chunk_id = any($2) and images = 1",
            hub.as_str(),
            chunks
        )
        .execute(self.conn())
        .await?;
        sqlx::query!(
            "update hub_chunk set images = images - 1 where hub_id = $1 and chunk_id = any($2) and images > 1",
            hub.as_str(),
            chunks
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }
}

impl Db {
    /// Marks one pack dead that nobody uses, holds or writes any more, and forgets its chunks. Returns its id.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn kill_pack(&self) -> Result<Option<String>> {
        let mut tx = self.pool.begin().await?;
        let candidate = sqlx::query_scalar!(
            "select p.id from pack p where
                (p.state = 'live'
                    and not exists (select 1 from chunk c join hub_chunk u on u.chunk_id = c.id where c.pack_id = p.id)
                    and not exists (select 1 from pack_hold h join image i on i.id = h.image_id
                        where h.pack_id = p.id and i.attempt = h.attempt and i.lease_until > now()))
                or (p.state = 'writing' and coalesce(p.lease_until < now(), true) and not exists (
                    select 1 from image i where i.id = p.image_id and i.attempt = p.attempt and i.lease_until > now()))
             limit 1 for update skip locked"
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(pack) = candidate else { return Ok(None) };
        // The row is ours now; look again, for an import may have finished between the first look and the lock.
        let done = sqlx::query!(
            "update pack p set state = 'dead', dead_at = now() where p.id = $1
             and not exists (select 1 from chunk c join hub_chunk u on u.chunk_id = c.id where c.pack_id = p.id)
             and not exists (select 1 from pack_hold h join image i on i.id = h.image_id
                where h.pack_id = p.id and i.attempt = h.attempt and i.lease_until > now())",
            pack
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        sqlx::query!("delete from chunk where pack_id = $1", pack).execute(&mut *tx).await?;
        sqlx::query!("delete from pack_hold where pack_id = $1", pack).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(Some(pack))
    }

    /// Dead packs whose grace time is over: their objects may go.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn dead_packs(&self, grace: Duration, limit: i64) -> Result<Vec<String>> {
        let rows = sqlx::query_scalar!(
            "select id from pack where state = 'dead' and dead_at < now() - make_interval(secs => $1) limit $2",
            grace.as_secs_f64(),
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// A dead pack's object is gone.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn pack_is_gone(&self, pack: &str) -> Result<()> {
        sqlx::query!("delete from pack where id = $1 and state = 'dead'", pack).execute(&self.pool).await?;
        Ok(())
    }

    /// Is there a row for this pack? An object without one is rubbish.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn pack_is_known(&self, pack: &str) -> Result<bool> {
        let found =
            sqlx::query_scalar!(r#"select exists (select 1 from pack where id = $1) as "found!""#, pack)
                .fetch_one(&self.pool)
                .await?;
        Ok(found)
    }

    /// The next image being deleted: releases what it holds and ends its life. False when there is none.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn reclaim_next(&self) -> Result<bool> {
        let mut tx = self.begin().await?;
        let row = sqlx::query!(
            "select id, hub_id, attempt from image where state = 'deleting' order by id limit 1 for update skip locked"
        )
        .fetch_optional(tx.conn())
        .await?;
        let Some(row) = row else { return Ok(false) };
        let (hub, image) = (HubId::stored(row.hub_id), ImageId::stored(row.id));
        tx.release(&hub, &image).await?;
        tx.transition(&image, row.attempt, model::State::Deleted, "pruner").await?;
        sqlx::query!("update image set deleted_at = now() where id = $1", image.as_str())
            .execute(tx.conn())
            .await?;
        tx.commit().await?;
        Ok(true)
    }
}
