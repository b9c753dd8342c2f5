//! What is proved of a recipe's pieces.

use std::collections::HashMap;

use crate::{Db, Result, bytes};

/// A chunk of a recipe and what was found when it was read back.
#[derive(Debug, Clone)]
pub struct ProvenChunk {
    /// Its id.
    pub id: i64,
    /// The proof of a batch, if there is one.
    pub proof: Option<Vec<u8>>,
}

/// A large content and the chunks that were proved to be it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenContent {
    /// BLAKE3 of the content.
    pub digest: [u8; 32],
    /// Its bytes.
    pub size: u64,
    /// Its chunks, in order.
    pub chunks: Vec<i64>,
}

/// What is proved of a recipe.
#[derive(Debug, Clone)]
pub struct ProvenRecipe {
    /// Its chunks, in order.
    pub chunks: Vec<ProvenChunk>,
    /// Its large contents, in order; those that are not proved are missing.
    pub contents: Vec<ProvenContent>,
}

impl Db {
    /// What is proved of the pieces of a layer blob; `None` when there is no such recipe.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn proven_recipe(&self, digest: &str) -> Result<Option<ProvenRecipe>> {
        let recipe = sqlx::query!("select chunks, contents, codec from recipe where digest = $1", digest)
            .fetch_optional(&self.pool)
            .await?;
        let Some(recipe) = recipe else { return Ok(None) };
        let rows =
            sqlx::query!("select chunk_id, proof from chunk_proof where chunk_id = any($1)", &recipe.chunks)
                .fetch_all(&self.pool)
                .await?;
        let mut proofs: HashMap<i64, Vec<u8>> = rows.into_iter().map(|r| (r.chunk_id, r.proof)).collect();
        let rows = sqlx::query!(
            "select digest, size, chunks from content where digest = any($1) and codec = $2",
            &recipe.contents,
            recipe.codec
        )
        .fetch_all(&self.pool)
        .await?;
        let known: HashMap<Vec<u8>, (u64, Vec<i64>)> =
            rows.into_iter().map(|r| (r.digest, (bytes(r.size), r.chunks))).collect();
        let content = |digest: &Vec<u8>| {
            let (size, chunks) = known.get(digest)?.clone();
            Some(ProvenContent { digest: digest.as_slice().try_into().ok()?, size, chunks })
        };
        let contents = recipe.contents.iter().filter_map(content).collect();
        // A batch that stands twice in a recipe has its proof twice: only the last one may take it away.
        let mut left: HashMap<i64, usize> = HashMap::new();
        recipe.chunks.iter().for_each(|id| *left.entry(*id).or_default() += 1);
        let chunk = |id: &i64| {
            let left = left.get_mut(id);
            let last = left.is_none_or(|left| {
                *left -= 1;
                *left == 0
            });
            let proof = if last { proofs.remove(id) } else { proofs.get(id).cloned() };
            ProvenChunk { id: *id, proof }
        };
        Ok(Some(ProvenRecipe { chunks: recipe.chunks.iter().map(chunk).collect(), contents }))
    }
}
