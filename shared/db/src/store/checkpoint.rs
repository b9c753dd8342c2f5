//! Checkpoints of hashes: where somebody else stood after the same chunks.
//!
//! A chain of chunks is known by a digest over the ids of its chunks. An id stands for one row for ever, and a row for the
//! same compressed bytes: what was reclaimed and stored again, perhaps otherwise, has another.

use crate::{Db, Result, Tx, bigint, bytes};

/// States of a blob's and a tar's SHA-256 after some chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many chunks that are.
    pub chunks: usize,
    /// Bytes of the blob so far.
    pub size: u64,
    /// Bytes of the tar so far.
    pub plain: u64,
    /// State of the blob's digest.
    pub blob: Vec<u8>,
    /// State of the tar's digest.
    pub diff: Vec<u8>,
    /// The version of the form of the states.
    pub version: i32,
}

/// For each of `after`, growing counts of chunks, the digest of the chain of so many.
fn chains(ids: &[i64], after: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
    let mut hash = blake3::Hasher::new_derive_key("platen 2026-11-25 chain of chunks");
    let mut done = 0;
    let mut chains = Vec::new();
    for count in after {
        for id in ids.get(done..count).unwrap_or_default() {
            hash.update(&id.to_le_bytes());
        }
        done = count.max(done);
        chains.push(hash.finalize().as_bytes().to_vec());
    }
    chains
}

impl Db {
    /// The furthest checkpoint of a blob that begins with these chunks, of those after `marks` of them, growing.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn checkpoint(&self, ids: &[i64], marks: &[usize], version: i32) -> Result<Option<Checkpoint>> {
        let marks = marks.iter().copied().filter(|mark| *mark <= ids.len());
        let chains = chains(ids, marks);
        let row = sqlx::query!(
            "select chunks, size, plain, blob, diff from checkpoint where chain = any($1) and version = $2
             order by chunks desc limit 1",
            &chains,
            version
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.and_then(|r| {
            Some(Checkpoint {
                chunks: usize::try_from(r.chunks).ok()?,
                size: bytes(r.size),
                plain: bytes(r.plain),
                blob: r.blob,
                diff: r.diff,
                version,
            })
        }))
    }
}

impl Tx {
    /// Keeps a recipe's checkpoints, which grow.
    pub(super) async fn save_checkpoints(
        &mut self,
        recipe: i64,
        ids: &[i64],
        all: &[Checkpoint],
    ) -> Result<()> {
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let chains = chains(ids, all.iter().map(|c| c.chunks));
        let counts: Vec<i32> = all.iter().map(|c| count(c.chunks)).collect();
        let sizes: Vec<i64> = all.iter().map(|c| bigint(c.size)).collect();
        let plains: Vec<i64> = all.iter().map(|c| bigint(c.plain)).collect();
        let blobs: Vec<Vec<u8>> = all.iter().map(|c| c.blob.clone()).collect();
        let diffs: Vec<Vec<u8>> = all.iter().map(|c| c.diff.clone()).collect();
        let versions: Vec<i32> = all.iter().map(|c| c.version).collect();
        sqlx::query!(
            "insert into checkpoint (recipe_id, chain, chunks, size, plain, blob, diff, version)
             select $1, * from unnest($2::bytea[], $3::int[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[], $8::int[])
             on conflict (chain, recipe_id) do nothing",
            recipe,
            &chains,
            &counts,
            &sizes,
            &plains,
            &blobs,
            &diffs,
            &versions
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::chains;

    #[test]
    fn a_chain_is_known_by_all_its_chunks_and_their_order() {
        let all = chains(&[1, 2, 3, 4], [1, 2, 4]);
        assert_eq!(chains(&[1, 2, 9], [1, 2]), all[..2]);
        assert_ne!(chains(&[2, 1], [2])[0], all[1]);
        assert_eq!(chains(&[1, 2, 3, 4], [4])[0], all[2]);
    }
}
