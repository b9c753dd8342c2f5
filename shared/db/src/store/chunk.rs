//! Chunks: where the compressed bytes of a piece of content are.

use std::collections::HashMap;

use crate::import::Claim;
use crate::{Db, Result, bytes};

/// A chunk that was written into a new pack.
#[derive(Debug, Clone)]
pub struct NewChunk {
    /// BLAKE3 of its plain bytes, or a batch's key.
    pub digest: [u8; 32],
    /// Where it begins in the pack.
    pub offset: u64,
    /// Compressed bytes.
    pub length: u32,
    /// Plain bytes.
    pub plain: u32,
    /// BLAKE3 of its compressed bytes.
    pub sum: [u8; 32],
    /// What reading it back found, if it is a batch.
    pub proof: Option<Vec<u8>>,
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
    /// Whether a proof of it is kept.
    pub proven: bool,
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

    /// Which of these chunks are there? The claim holds their packs from the same statement on, while its lease lasts.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find_chunks(
        &self,
        claim: &Claim,
        digests: &[[u8; 32]],
        codec: &str,
    ) -> Result<HashMap<[u8; 32], FoundChunk>> {
        let keys: Vec<Vec<u8>> = digests.iter().map(|d| d.to_vec()).collect();
        // The share lock makes a reclaim of the pack wait, and then see the hold.
        let rows = sqlx::query!(
            r#"with found as (
                select c.id, c.digest, c.pack_id, c."offset", c.length, c.plain from chunk c
                join pack p on p.id = c.pack_id and p.state = 'live'
                where c.digest = any($1) and c.codec = $2 and not c.damaged for share of p),
            held as (
                insert into pack_hold (pack_id, image_id, attempt) select distinct pack_id, $3, $4::bigint from found
                on conflict (pack_id, image_id) do update set attempt = excluded.attempt)
            select id, digest, pack_id, "offset", length, plain,
                exists (select 1 from chunk_proof o where o.chunk_id = found.id) as "proven!" from found"#,
            &keys,
            codec,
            claim.image.as_str(),
            claim.attempt
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
                    proven: r.proven,
                };
                Some((<[u8; 32]>::try_from(r.digest).ok()?, found))
            })
            .collect())
    }
}
