//! Proofs: what reading stored bytes back has found, once, for whoever uses them later.

use std::collections::HashMap;

use super::recipe::{ChunkUse, ids};
use crate::import::save::Saved;
use crate::{Db, Result, Tx, bigint};

/// The chunks that are exactly one large content.
#[derive(Debug, Clone)]
pub struct NewContent {
    /// BLAKE3 of the content.
    pub digest: [u8; 32],
    /// Its bytes.
    pub size: u64,
    /// Its chunks, in order.
    pub chunks: Vec<ChunkUse>,
}

impl Db {
    /// Of these large contents, those that were proved to be stored with this codec, and as which chunks.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn proven_contents(
        &self,
        digests: &[[u8; 32]],
        codec: &str,
    ) -> Result<HashMap<[u8; 32], Vec<i64>>> {
        let digests: Vec<Vec<u8>> = digests.iter().map(|d| d.to_vec()).collect();
        let rows = sqlx::query!(
            "select digest, chunks from content where digest = any($1) and codec = $2",
            &digests,
            codec
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().filter_map(|r| Some((r.digest.try_into().ok()?, r.chunks))).collect())
    }
}

impl Tx {
    pub(super) async fn save_proofs(
        &mut self,
        saved: &Saved,
        new_ids: &HashMap<[u8; 32], i64>,
    ) -> Result<()> {
        let new = saved.new_chunks.iter().filter_map(|c| Some((*new_ids.get(&c.digest)?, c.proof.clone()?)));
        let (ids, proofs): (Vec<i64>, Vec<Vec<u8>>) = new.chain(saved.proofs.iter().cloned()).unzip();
        if ids.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "insert into chunk_proof (chunk_id, proof)
             select n.id, n.proof from unnest($1::bigint[], $2::bytea[]) as n (id, proof) order by n.id on conflict do nothing",
            &ids,
            &proofs
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }

    pub(super) async fn save_contents(
        &mut self,
        saved: &Saved,
        new_ids: &HashMap<[u8; 32], i64>,
    ) -> Result<()> {
        let mut contents: Vec<&NewContent> = saved.contents.iter().collect();
        // One order for everybody, each once: nobody waits in a circle.
        contents.sort_unstable_by_key(|content| content.digest);
        contents.dedup_by_key(|content| content.digest);
        if contents.is_empty() {
            return Ok(());
        }
        let digests: Vec<Vec<u8>> = contents.iter().map(|c| c.digest.to_vec()).collect();
        let sizes: Vec<i64> = contents.iter().map(|c| bigint(c.size)).collect();
        // Lists of different lengths do not fit into one array: they are one list, and where each begins.
        let (mut all, mut ends) = (Vec::new(), Vec::new());
        for content in &contents {
            all.extend(ids(&content.chunks, saved, new_ids)?);
            ends.push(i32::try_from(all.len()).unwrap_or(i32::MAX));
        }
        sqlx::query!(
            r#"insert into content (digest, codec, size, chunks, first)
               select n.digest, $1, n.size, ($4::bigint[])[n.before + 1 : n.ends], ($4::bigint[])[n.before + 1]
               from (select u.digest, u.size, u.ends, lag(u.ends, 1, 0) over (order by u.place) as before
                     from unnest($2::bytea[], $3::bigint[], $5::int[]) with ordinality as u (digest, size, ends, place)) n
               where n.ends > n.before order by n.digest
               on conflict (digest, codec) do update set chunks = excluded.chunks, first = excluded.first
               where content.chunks <> excluded.chunks"#,
            saved.codec,
            &digests,
            &sizes,
            &all,
            &ends
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }
}
