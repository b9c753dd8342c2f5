//! What a hub's images take.

use model::HubId;
use model::api::{SourceStorage, Storage};

use crate::{Db, Result, bytes};

impl Db {
    /// What a hub uses, in all and by source: each chunk its images use counted once.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn storage(&self, hub: &HubId) -> Result<Storage> {
        let row = sqlx::query!(
            r#"select
                (select coalesce(sum(c.length), 0)::bigint from hub_chunk u join chunk c on c.id = u.chunk_id
                    where u.hub_id = h.id) as "used!",
                (select coalesce(sum(i.size), 0)::bigint from image i where i.hub_id = h.id and i.state = 'live') as "flat!",
                (select count(*) from image i where i.hub_id = h.id and i.state = 'live') as "images!",
                (select coalesce(sum(p.size), 0)::bigint from pack p where p.state = 'live') as "packs!",
                (select coalesce(sum(c.length), 0)::bigint from chunk c
                    where exists (select 1 from hub_chunk u where u.chunk_id = c.id)) as "live!",
                (select count(distinct i.id) from image i join image_served v on v.image_id = i.id
                    join recipe r on r.digest = v.digest
                    where i.hub_id = h.id and i.state = 'live'
                      and r.chunks && array(select id from chunk where damaged)) as "damaged!",
                h.storage_limit
            from hub h where h.id = $1"#,
            hub.as_str()
        )
        .fetch_one(&self.pool)
        .await?;
        let (used, flat) = (bytes(row.used), bytes(row.flat));
        Ok(Storage {
            used,
            flat,
            shared: flat.saturating_sub(used),
            dead: bytes(row.packs).saturating_sub(bytes(row.live)),
            images: row.images,
            damaged: row.damaged,
            limit: row.storage_limit.map(bytes),
            sources: self.storage_by_source(hub).await?,
        })
    }

    async fn storage_by_source(&self, hub: &HubId) -> Result<Vec<SourceStorage>> {
        let rows = sqlx::query!(
            r#"with recipes as (
                select distinct i.source_id, v.digest from image i
                join image_served v on v.image_id = i.id and v.kind = 'layer'
                where i.hub_id = $1 and i.state = 'live'),
            uses as (
                select distinct s.source_id, u.chunk from recipes s join recipe r on r.digest = s.digest,
                unnest(r.chunks) as u (chunk)),
            sized as (
                select u.source_id, c.length, count(*) over (partition by u.chunk) as sources
                from uses u join chunk c on c.id = u.chunk),
            used as (
                select source_id, sum(length)::bigint as used,
                    coalesce(sum(length) filter (where sources = 1), 0)::bigint as own
                from sized group by source_id),
            flat as (
                select source_id, count(*) as images, coalesce(sum(size), 0)::bigint as flat from image
                where hub_id = $1 and state = 'live' group by source_id)
            select s.identifier, f.images as "images!", f.flat as "flat!", coalesce(u.used, 0) as "used!",
                coalesce(u.own, 0) as "own!"
            from flat f join image_source s on s.id = f.source_id left join used u on u.source_id = f.source_id
            order by 4 desc, 1"#,
            hub.as_str()
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|r| SourceStorage {
                source: r.identifier,
                images: r.images,
                flat: bytes(r.flat),
                used: bytes(r.used),
                own: bytes(r.own),
            })
            .collect())
    }
}
