//! Chunks: where the compressed bytes of a piece of content are.

use std::collections::HashMap;
use std::time::Duration;

use crate::import::Claim;
use crate::{Db, Result, bytes};

/// A chunk that was written into a new pack.
#[derive(Debug, Clone)]
pub struct NewChunk {
    /// BLAKE3 of its plain bytes.
    pub digest: [u8; 32],
    /// Where it begins in the pack.
    pub offset: u64,
    /// Compressed bytes.
    pub length: u32,
    /// Plain bytes.
    pub plain: u32,
}

/// A chunk the store has.
#[derive(Debug, Clone)]
pub struct FoundChunk {
    /// Its id.
    pub id: i64,
    /// The pack that holds it.
    pub pack: String,
    /// Where it begins.
    pub offset: u64,
    /// Compressed bytes.
    pub length: u32,
    /// Plain bytes.
    pub plain: u32,
}

impl Db {
    /// A pack is about to be written: its row goes first, so that a crashed import's pack can be found.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn pack_begins(&self, pack: &str, claim: &Claim) -> Result<()> {
        sqlx::query!(
            "insert into pack (id, state, image_id, attempt) values ($1, 'writing', $2, $3)",
            pack,
            claim.image.as_str(),
            claim.attempt
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Which of these chunks are there? Their packs are held for as long as told, by the same statement.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find_chunks(
        &self,
        digests: &[[u8; 32]],
        codec: &str,
        hold: Duration,
    ) -> Result<HashMap<[u8; 32], FoundChunk>> {
        let keys: Vec<Vec<u8>> = digests.iter().map(|d| d.to_vec()).collect();
        let rows = sqlx::query!(
            r#"with found as (
                select c.id, c.digest, c.pack_id, c."offset", c.length, c.plain from chunk c
                where c.digest = any($1) and c.codec = $2),
            held as (
                update pack set held_until = greatest(held_until, now() + make_interval(secs => $3))
                where id in (select pack_id from found) and state = 'live' returning id)
            select f.id, f.digest, f.pack_id, f."offset", f.length, f.plain from found f join held h on h.id = f.pack_id"#,
            &keys,
            codec,
            hold.as_secs_f64()
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .filter_map(|r| {
                let found = FoundChunk {
                    id: r.id,
                    pack: r.pack_id,
                    offset: bytes(r.offset),
                    length: u32::try_from(r.length).ok()?,
                    plain: u32::try_from(r.plain).ok()?,
                };
                Some((<[u8; 32]>::try_from(r.digest).ok()?, found))
            })
            .collect())
    }
}
