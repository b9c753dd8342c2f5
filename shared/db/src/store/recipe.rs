//! Recipes: the chunks whose concatenation is exactly a blob.

use std::collections::{BTreeSet, HashMap};

use model::HubId;
use model::image::FlatPlatform;
use sqlx::types::Json;

use super::{Checkpoint, NewChunk};
use crate::import::save::Saved;
use crate::{Db, DbError, Result, Tx, bigint, bytes};

/// One chunk of a recipe to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkUse {
    /// A chunk the store had, by its id.
    Known(i64),
    /// A chunk of the pack just written, by its place among the new ones.
    New(usize),
}

/// A recipe to keep.
#[derive(Debug, Clone)]
pub struct NewRecipe {
    /// Digest of the blob.
    pub digest: String,
    /// Digest of the uncompressed tar.
    pub diff_id: String,
    /// Codec and level: `zstd-3`.
    pub codec: String,
    /// Bytes of the blob.
    pub size: u64,
    /// Bytes of the tar.
    pub plain: u64,
    /// Its chunks, in order.
    pub chunks: Vec<ChunkUse>,
    /// Digests of the large contents among them, in order.
    pub contents: Vec<[u8; 32]>,
    /// States of its hashes on the way.
    pub checkpoints: Vec<Checkpoint>,
}

/// The recipe of a layer that is served.
#[derive(Debug, Clone)]
pub enum RecipeUse {
    /// One just made.
    New(NewRecipe),
    /// One that was there, by its blob's digest.
    Known(String),
}

impl RecipeUse {
    /// Digest of the blob.
    pub fn digest(&self) -> &str {
        match self {
            Self::New(recipe) => &recipe.digest,
            Self::Known(digest) => digest,
        }
    }
}

/// What a hub has flattened before, and still serves.
#[derive(Debug, Clone)]
pub struct KnownFlat {
    /// Digest of the flat layer's blob.
    pub recipe: String,
    /// Its figures then.
    pub figures: FlatPlatform,
    /// What was odd about its source.
    pub warnings: Vec<String>,
}

/// A piece of a blob and where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The pack.
    pub pack: String,
    /// Where it begins in the pack.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Db {
    /// What came of flattening a source with this codec and these rules, if the hub has done so and an image of it still
    /// serves the result.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn known_flat(
        &self,
        hub: &HubId,
        source: &str,
        codec: &str,
        rules: i32,
    ) -> Result<Option<KnownFlat>> {
        let row = sqlx::query!(
            r#"select f.recipe, f.figures as "figures: Json<FlatPlatform>", f.warnings as "warnings: Json<Vec<String>>"
               from flattened f where f.hub_id = $1 and f.source = $2 and f.codec = $3 and f.rules = $4
                 and exists (select 1 from image_served v join image i on i.id = v.image_id
                     where v.digest = f.recipe and i.hub_id = $1 and i.state in ('saving', 'live'))"#,
            hub.as_str(),
            source,
            codec,
            rules
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|r| KnownFlat { recipe: r.recipe, figures: r.figures.0, warnings: r.warnings.0 }))
    }

    /// The pieces of a layer blob in order; neighbours in one pack are one piece. Empty when there is no such recipe.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn recipe(&self, digest: &str) -> Result<Vec<Placed>> {
        let rows = sqlx::query!(
            r#"select c.pack_id, c."offset", c.length from recipe r, unnest(r.chunks) with ordinality as u (chunk, place)
               join chunk c on c.id = u.chunk where r.digest = $1 order by u.place"#,
            digest
        )
        .fetch_all(&self.pool)
        .await?;
        let mut pieces: Vec<Placed> = Vec::new();
        for row in rows {
            let next =
                Placed { pack: row.pack_id, offset: bytes(row.offset), length: bytes(row.length.into()) };
            match pieces.last_mut() {
                Some(last) if last.pack == next.pack && last.offset + last.length == next.offset => {
                    last.length += next.length;
                }
                _ => pieces.push(next),
            }
        }
        Ok(pieces)
    }

    /// Whether a blob was served whole before, and found right.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn recipe_was_read(&self, digest: &str) -> Result<bool> {
        let read = sqlx::query_scalar!(
            r#"select exists (select 1 from recipe where digest = $1 and read_at is not null) as "read!""#,
            digest
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(read)
    }

    /// A blob was read whole to be served. One that is not what its digest says has its packs scrubbed before others.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn recipe_is_read(&self, digest: &str, right: bool) -> Result<()> {
        if right {
            sqlx::query!("update recipe set read_at = now() where digest = $1 and read_at is null", digest)
                .execute(&self.pool)
                .await?;
        } else {
            sqlx::query!(
                "update pack set scrubbed_at = null where id in (
                    select c.pack_id from recipe r, unnest(r.chunks) as u (chunk)
                    join chunk c on c.id = u.chunk where r.digest = $1)",
                digest
            )
            .execute(&self.pool)
            .await?;
        }
        Ok(())
    }

    /// The certificate once read back from a recipe's bytes, if that has been done.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn recipe_verified(&self, digest: &str) -> Result<Option<String>> {
        let row = sqlx::query!("select verified from recipe where digest = $1", digest)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.and_then(|r| r.verified))
    }
}

/// The ids of chunks, once those just written have some.
pub(super) fn ids(chunks: &[ChunkUse], saved: &Saved, new_ids: &HashMap<[u8; 32], i64>) -> Result<Vec<i64>> {
    let id = |chunk: &ChunkUse| match chunk {
        ChunkUse::Known(id) => Some(*id),
        ChunkUse::New(place) => new_ids.get(&saved.new_chunks.get(*place)?.digest).copied(),
    };
    let lost = || DbError::Conflict("a chunk that was just stored is not in the index".to_owned());
    chunks.iter().map(|chunk| id(chunk).ok_or_else(lost)).collect()
}

impl Tx {
    /// Keeps pack, chunks and recipes, and counts their use by the hub. Returns the bytes that are new to the hub.
    pub(crate) async fn save_recipes(&mut self, hub: &HubId, saved: &Saved) -> Result<u64> {
        let mut new_ids = HashMap::new();
        if let Some((pack, size)) = &saved.pack {
            self.pack_is_live(pack, *size).await?;
            new_ids = self.save_chunks(pack, &saved.codec, &saved.new_chunks).await?;
        }
        self.save_proofs(saved, &new_ids).await?;
        self.save_contents(saved, &new_ids).await?;
        // One order for everybody who locks recipes, so that nobody waits in a circle.
        let mut recipes: Vec<&RecipeUse> = saved.flats.iter().map(|flat| &flat.recipe).collect();
        recipes.sort_by_key(|recipe| recipe.digest());
        let mut used = BTreeSet::new();
        for recipe in recipes {
            used.extend(match recipe {
                RecipeUse::New(recipe) => self.save_recipe(recipe, saved, &new_ids).await?,
                RecipeUse::Known(digest) => self.hold_recipe(digest).await?,
            });
        }
        let used: Vec<i64> = used.into_iter().collect();
        self.lock_packs(&used).await?;
        self.use_chunks(hub, &used).await
    }

    async fn save_recipe(
        &mut self,
        recipe: &NewRecipe,
        saved: &Saved,
        new_ids: &HashMap<[u8; 32], i64>,
    ) -> Result<Vec<i64>> {
        let chunks = ids(&recipe.chunks, saved, new_ids)?;
        let contents: Vec<Vec<u8>> = recipe.contents.iter().map(|digest| digest.to_vec()).collect();
        // The update locks a recipe that is there already: it and its chunks are the ones to use.
        let row = sqlx::query!(
            "insert into recipe (digest, diff_id, codec, size, plain, chunks, contents) values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (digest) do update set digest = excluded.digest returning id, chunks",
            recipe.digest,
            recipe.diff_id,
            recipe.codec,
            bigint(recipe.size),
            bigint(recipe.plain),
            &chunks,
            &contents
        )
        .fetch_one(self.conn())
        .await?;
        if row.chunks == chunks {
            self.save_checkpoints(row.id, &chunks, &recipe.checkpoints).await?;
        }
        Ok(row.chunks)
    }

    /// Locks a recipe that is there, until we serve it too.
    async fn hold_recipe(&mut self, digest: &str) -> Result<Vec<i64>> {
        let chunks = sqlx::query_scalar!("select chunks from recipe where digest = $1 for share", digest)
            .fetch_optional(self.conn())
            .await?;
        let gone = "the flat layer of an earlier import has just been reclaimed; trying again";
        chunks.ok_or_else(|| DbError::Conflict(gone.to_owned()))
    }

    async fn pack_is_live(&mut self, pack: &str, size: u64) -> Result<()> {
        let done = sqlx::query!(
            "update pack set state = 'live', size = $2, scrubbed_at = now() where id = $1 and state = 'writing'",
            pack,
            bigint(size)
        )
        .execute(self.conn())
        .await?;
        if done.rows_affected() == 0 { Err(DbError::LeaseLost) } else { Ok(()) }
    }

    /// The first stored wins: where another import was faster with the same content, its chunk is used.
    async fn save_chunks(
        &mut self,
        pack: &str,
        codec: &str,
        new: &[NewChunk],
    ) -> Result<HashMap<[u8; 32], i64>> {
        let digests: Vec<Vec<u8>> = new.iter().map(|c| c.digest.to_vec()).collect();
        let offsets: Vec<i64> = new.iter().map(|c| bigint(c.offset)).collect();
        let lengths: Vec<i32> = new.iter().map(|c| i32::try_from(c.length).unwrap_or(i32::MAX)).collect();
        let plains: Vec<i32> = new.iter().map(|c| i32::try_from(c.plain).unwrap_or(i32::MAX)).collect();
        let sums: Vec<Vec<u8>> = new.iter().map(|c| c.sum.to_vec()).collect();
        // One order for everybody, so that two imports never wait for each other in a circle. A damaged chunk is healed by
        // the same bytes.
        sqlx::query!(
            r#"insert into chunk (digest, codec, pack_id, "offset", length, plain, sum)
               select n.digest, $2, $1, n.at, n.length, n.plain, n.sum
               from unnest($3::bytea[], $4::bigint[], $5::int[], $6::int[], $7::bytea[]) as n (digest, at, length, plain, sum)
               order by n.digest
               on conflict (digest, codec) do update set pack_id = excluded.pack_id, "offset" = excluded."offset", damaged = false
                  where chunk.damaged and chunk.length = excluded.length and chunk.sum = excluded.sum"#,
            pack,
            codec,
            &digests,
            &offsets,
            &lengths,
            &plains,
            &sums
        )
        .execute(self.conn())
        .await?;
        let rows = sqlx::query!(
            "select id, digest, length from chunk where digest = any($1) and codec = $2",
            &digests,
            codec
        )
        .fetch_all(self.conn())
        .await?;
        let ids: HashMap<[u8; 32], (i64, i32)> = rows
            .into_iter()
            .filter_map(|r| Some((<[u8; 32]>::try_from(r.digest).ok()?, (r.id, r.length))))
            .collect();
        // Same content, other compressed length: another compressor version won the race, and the digest computed
        // over our own bytes is not that of the recipe. The next attempt finds its chunks and uses them.
        if new.iter().zip(&lengths).any(|(c, length)| ids.get(&c.digest).is_none_or(|(_, l)| l != length)) {
            return Err(DbError::Conflict(
                "another import stored the same content otherwise; trying again".to_owned(),
            ));
        }
        Ok(ids.into_iter().map(|(digest, (id, _))| (digest, id)).collect())
    }

    /// Locks every pack that holds these chunks, so that a reclaim can't take one away before we are done.
    async fn lock_packs(&mut self, chunks: &[i64]) -> Result<()> {
        let wanted = sqlx::query_scalar!(
            r#"select count(*) as "n!" from (select distinct u.id from unnest($1::bigint[]) as u (id)) w"#,
            chunks
        )
        .fetch_one(self.conn())
        .await?;
        sqlx::query!(
            "select id from pack where state = 'live' and id in (select pack_id from chunk where id = any($1))
             order by id for share",
            chunks
        )
        .fetch_all(self.conn())
        .await?;
        let there = sqlx::query_scalar!(
            r#"select count(*) as "n!" from chunk c join pack p on p.id = c.pack_id
               where c.id = any($1) and p.state = 'live'"#,
            chunks
        )
        .fetch_one(self.conn())
        .await?;
        if there == wanted {
            Ok(())
        } else {
            Err(DbError::Conflict("a chunk to be shared has just been reclaimed; trying again".to_owned()))
        }
    }

    async fn use_chunks(&mut self, hub: &HubId, chunks: &[i64]) -> Result<u64> {
        let new = sqlx::query_scalar!(
            r#"with used as (
                insert into hub_chunk (chunk_id, hub_id, images)
                select distinct u.id, $1, 1 from unnest($2::bigint[]) as u (id) order by u.id
                on conflict (chunk_id, hub_id) do update set images = hub_chunk.images + 1
                returning chunk_id, images)
            select coalesce(sum(c.length), 0)::bigint as "new!" from used u join chunk c on c.id = u.chunk_id
            where u.images = 1"#,
            hub.as_str(),
            chunks
        )
        .fetch_one(self.conn())
        .await?;
        Ok(bytes(new))
    }
}
