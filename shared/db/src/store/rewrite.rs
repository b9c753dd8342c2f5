//! Rewriting packs: what is still used of mostly dead ones, and tiny ones together, moves to a new pack.
//!
//! Recipes name chunks, so moving one is a change of its row. Whoever looked before the change reads the old pack, whose
//! object stays for the grace time; a pack that an import holds is left alone.

use std::time::Duration;

use crate::{Db, DbError, Result, bigint, bytes};

/// A pack below this is tiny.
const TINY: u64 = 4 << 20;

/// So many tiny packs are worth a new one.
const MANY: usize = 8;

/// How long a rewriting pruner has before it is taken for gone.
const LEASE: Duration = Duration::from_secs(600);

/// A chunk to move.
#[derive(Debug, Clone)]
pub struct Moving {
    /// Its id.
    pub id: i64,
    /// The pack it is in.
    pub pack: String,
    /// Where it begins.
    pub offset: u64,
    /// Compressed bytes.
    pub length: u32,
    /// BLAKE3 of them, if it is kept.
    pub sum: Option<[u8; 32]>,
}

/// A rewrite that was begun.
#[derive(Debug, Clone)]
pub struct Rewrite {
    /// The packs whose chunks move.
    pub packs: Vec<String>,
    /// The chunks that are used of them, in the order in which they lie.
    pub chunks: Vec<Moving>,
}

impl Db {
    /// Chooses packs to rewrite, of which the new pack will hold `most` bytes at the most, and records that `pack` is being
    /// written. `None` when nothing is worth it.
    ///
    /// A pack is when less than half of it is used; when what is dead in the store is above three tenths of what is used, the
    /// emptiest are, so that it comes below; and tiny packs are when there are many.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn rewrite_begins(&self, pack: &str, most: u64) -> Result<Option<Rewrite>> {
        let mut tx = self.begin().await?;
        // One at a time: two would choose the same.
        let alone = sqlx::query_scalar!(
            r#"select pg_try_advisory_xact_lock(hashtext('platen.rewrite')) and not exists (
                select 1 from pack where state = 'writing' and image_id is null and lease_until > now()) as "alone!""#
        )
        .fetch_one(tx.conn())
        .await?;
        if !alone {
            return Ok(None);
        }
        let rows = sqlx::query!(
            r#"select p.id, p.size as "size!", coalesce(sum(c.length) filter (where u.chunk_id is not null), 0)::bigint as "used!",
                    exists (select 1 from pack_hold h join image i on i.id = h.image_id
                        where h.pack_id = p.id and i.attempt = h.attempt and i.lease_until > now()) as "held!"
               from pack p left join chunk c on c.pack_id = p.id
               left join (select distinct chunk_id from hub_chunk) u on u.chunk_id = c.id
               where p.state = 'live' group by p.id, p.size"#
        )
        .fetch_all(tx.conn())
        .await?;
        let packs: Vec<Full> = rows
            .into_iter()
            .map(|r| Full { id: r.id, size: bytes(r.size), used: bytes(r.used), held: r.held })
            .collect();
        let packs = choose(packs, most);
        if packs.is_empty() {
            return Ok(None);
        }
        let chunks = sqlx::query!(
            r#"select c.id, c.pack_id, c."offset", c.length, c.sum from chunk c
               where c.pack_id = any($1) and exists (select 1 from hub_chunk u where u.chunk_id = c.id)
               order by c.pack_id, c."offset""#,
            &packs
        )
        .fetch_all(tx.conn())
        .await?;
        let chunks = chunks.into_iter().filter_map(|r| {
            let sum = r.sum.and_then(|sum| sum.try_into().ok());
            let (offset, length) = (bytes(r.offset), u32::try_from(r.length).ok()?);
            Some(Moving { id: r.id, pack: r.pack_id, offset, length, sum })
        });
        let chunks = chunks.collect();
        sqlx::query!(
            "insert into pack (id, state, lease_until) values ($1, 'writing', now() + make_interval(secs => $2))",
            pack,
            LEASE.as_secs_f64()
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(Some(Rewrite { packs, chunks }))
    }

    /// The new pack is durable, and `moved` tells where in it the chunks begin: they are there from now on. Packs of which
    /// nothing is left are dead; the rest (somebody holds one by now, or a chunk could not be read) stay as they are. Answers
    /// which are dead.
    ///
    /// # Errors
    /// [`DbError::LeaseLost`] when it took too long; when the database is away.
    pub async fn rewritten(
        &self,
        pack: &str,
        size: u64,
        from: &[String],
        moved: &[(i64, u64)],
    ) -> Result<Vec<String>> {
        let mut tx = self.begin().await?;
        let live = sqlx::query!(
            "update pack set state = 'live', size = $2, lease_until = null, scrubbed_at = now()
             where id = $1 and state = 'writing' and lease_until > now()",
            pack,
            bigint(size)
        )
        .execute(tx.conn())
        .await?;
        if live.rows_affected() == 0 {
            return Err(DbError::LeaseLost);
        }
        // Locked in one order, as imports do. Whoever finds a chunk now waits, and then sees it in its new place.
        let locked = sqlx::query_scalar!(
            "select id from pack where id = any($1) and state = 'live' order by id for update",
            from
        )
        .fetch_all(tx.conn())
        .await?;
        let free = sqlx::query_scalar!(
            "select p.id from pack p where p.id = any($1) and not exists (
                select 1 from pack_hold h join image i on i.id = h.image_id
                where h.pack_id = p.id and i.attempt = h.attempt and i.lease_until > now())",
            &locked
        )
        .fetch_all(tx.conn())
        .await?;
        let (ids, offsets): (Vec<i64>, Vec<i64>) = moved.iter().map(|(id, at)| (*id, bigint(*at))).unzip();
        sqlx::query!(
            r#"update chunk c set pack_id = $1, "offset" = n.at
               from unnest($2::bigint[], $3::bigint[]) as n (id, at) where c.id = n.id and c.pack_id = any($4)"#,
            pack,
            &ids,
            &offsets,
            &free
        )
        .execute(tx.conn())
        .await?;
        // What nobody uses goes. A use that is being counted just now holds its chunk's row: this waits, and looks again.
        sqlx::query!(
            "delete from chunk c where c.pack_id = any($1)
             and not exists (select 1 from hub_chunk u where u.chunk_id = c.id)",
            &free
        )
        .execute(tx.conn())
        .await?;
        let dead = sqlx::query_scalar!(
            "update pack p set state = 'dead', dead_at = now() where p.id = any($1)
             and not exists (select 1 from chunk c where c.pack_id = p.id) returning p.id",
            &free
        )
        .fetch_all(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(dead)
    }
}

/// A pack, and how full it is.
#[derive(Debug, Clone)]
struct Full {
    id: String,
    size: u64,
    used: u64,
    held: bool,
}

/// The packs to rewrite, of which at most `most` bytes are used.
fn choose(mut packs: Vec<Full>, most: u64) -> Vec<String> {
    let used: u64 = packs.iter().map(|pack| pack.used).sum();
    let mut dead: u64 = packs.iter().map(|pack| pack.size.saturating_sub(pack.used)).sum();
    // What is wholly dead goes without being rewritten.
    packs.retain(|pack| !pack.held && pack.used > 0);
    let tiny = packs.iter().filter(|pack| pack.size < TINY).count() >= MANY;
    packs.sort_by(|a, b| {
        (u128::from(a.used) * u128::from(b.size)).cmp(&(u128::from(b.used) * u128::from(a.size)))
    });
    let mut chosen = Vec::new();
    let mut room = most;
    for pack in &packs {
        let empty = pack.used < pack.size / 2;
        let slack = dead > used / 10 * 3 && pack.used < pack.size;
        if !(empty || slack || (tiny && pack.size < TINY)) || pack.used > room {
            continue;
        }
        room -= pack.used;
        dead = dead.saturating_sub(pack.size - pack.used);
        chosen.push(pack.id.clone());
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::{Full, choose};

    fn pack(id: &str, size: u64, used: u64) -> Full {
        Full { id: id.into(), size: size << 20, used: used << 20, held: false }
    }

    #[test]
    fn the_emptiest_go_first_until_little_is_dead() {
        let packs =
            vec![pack("full", 100, 100), pack("half", 100, 60), pack("most", 100, 90), pack("few", 100, 10)];
        assert_eq!(choose(packs.clone(), 1 << 30), ["few"], "what is left dead is below three tenths");
        let packs = vec![pack("a", 100, 70), pack("b", 100, 65), pack("c", 100, 75)];
        assert_eq!(choose(packs, 1 << 30), ["b"], "and then 55 of 210 are dead");
        assert_eq!(choose(vec![pack("dead", 100, 0)], 1 << 30), Vec::<String>::new());
    }

    #[test]
    fn tiny_ones_go_together_and_held_ones_stay() {
        let tiny: Vec<Full> = (0..9).map(|i| pack(&i.to_string(), 1, 1)).collect();
        assert_eq!(choose(tiny.clone(), 1 << 30).len(), 9);
        assert_eq!(choose(tiny.clone(), 3 << 20).len(), 3, "bounded");
        assert!(choose(tiny[..7].to_vec(), 1 << 30).is_empty());
        let held: Vec<Full> = tiny.into_iter().map(|pack| Full { held: true, ..pack }).collect();
        assert!(choose(held, 1 << 30).is_empty());
    }
}
