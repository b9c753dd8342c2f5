//! Scrubbing: reading what is stored before somebody needs it.

use std::time::Duration;

use super::rewrite::Moving;
use crate::{Db, Result, bytes};

/// A pack to read.
#[derive(Debug, Clone)]
pub struct Scrubbing {
    /// The pack.
    pub pack: String,
    /// Its chunks, in the order in which they lie.
    pub chunks: Vec<Moving>,
}

impl Db {
    /// The live pack that was not read for the longest time, if that is `every` or more. It counts as read from now on, so that
    /// two who scrub do not read the same.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn scrub_next(&self, every: Duration) -> Result<Option<Scrubbing>> {
        let pack = sqlx::query_scalar!(
            "update pack set scrubbed_at = now() where id = (
                select id from pack where state = 'live'
                    and (scrubbed_at is null or scrubbed_at < now() - make_interval(secs => $1))
                order by scrubbed_at nulls first limit 1 for update skip locked)
             returning id",
            every.as_secs_f64()
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(pack) = pack else { return Ok(None) };
        let rows = sqlx::query!(
            r#"select id, "offset", length, sum from chunk where pack_id = $1 order by "offset""#,
            pack
        )
        .fetch_all(&self.pool)
        .await?;
        let chunks = rows.into_iter().filter_map(|r| {
            let sum = r.sum.and_then(|sum| sum.try_into().ok());
            let length = u32::try_from(r.length).ok()?;
            Some(Moving { id: r.id, pack: pack.clone(), offset: bytes(r.offset), length, sum })
        });
        let chunks = chunks.collect();
        Ok(Some(Scrubbing { pack, chunks }))
    }

    /// What a scrub found of a pack's chunks: which are damaged, and that the others, as they lay, are not. Answers how many
    /// live images use one that is.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn scrubbed(&self, pack: &str, sound: &[i64], damaged: &[i64]) -> Result<i64> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "update chunk set damaged = id = any($3) where pack_id = $1
             and ((id = any($3) and not damaged) or (id = any($2) and damaged))",
            pack,
            sound,
            damaged
        )
        .execute(tx.conn())
        .await?;
        let images = sqlx::query_scalar!(
            r#"select count(distinct i.id) as "n!" from recipe r join image_served v on v.digest = r.digest
               join image i on i.id = v.image_id and i.state = 'live' where r.chunks && $1"#,
            damaged
        )
        .fetch_one(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(images)
    }

    /// Forgets when packs were read: the next scrub reads them all.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn scrub_all(&self) -> Result<()> {
        sqlx::query!("update pack set scrubbed_at = null where state = 'live' and scrubbed_at is not null")
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
