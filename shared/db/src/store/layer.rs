//! Layers that were read once: whoever has one of these images need not read its layers again.

use std::collections::HashMap;

use model::{HubId, ImageId};

use crate::{Db, Result, Tx};

/// A layer that a hub knows.
#[derive(Debug, Clone)]
pub struct KnownLayer {
    /// The index's row.
    pub id: i64,
    /// The index, as it is kept.
    pub body: Vec<u8>,
}

/// A layer of an image that is saved.
#[derive(Debug, Clone)]
pub enum SavedLayer {
    /// Known, and nothing is to be told of it.
    Known(i64),
    /// Known; some of its contents lie in newer chunks now.
    Moved(i64, Vec<u8>),
    /// Read now.
    New {
        /// Digest of its bytes as they were fetched.
        blob: String,
        /// Digest of its tar.
        diff_id: String,
        /// The version of the index's form.
        version: i32,
        /// The index.
        body: Vec<u8>,
    },
}

impl Db {
    /// Of these layers, by blob digest and diff_id, those that an image of the hub has.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn known_layers(
        &self,
        hub: &HubId,
        pairs: &[(String, String)],
        version: i32,
    ) -> Result<HashMap<(String, String), KnownLayer>> {
        let (blobs, diff_ids): (Vec<String>, Vec<String>) = pairs.iter().cloned().unzip();
        let rows = sqlx::query!(
            "select l.id, l.blob, l.diff_id, l.body from layer_index l
             join (select distinct * from unnest($2::text[], $3::text[])) as w (blob, diff_id)
                on w.blob = l.blob and w.diff_id = l.diff_id
             where l.version = $4 and exists (
                select 1 from image_layer o join image i on i.id = o.image_id where o.index_id = l.id and i.hub_id = $1)",
            hub.as_str(),
            &blobs,
            &diff_ids,
            version
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|r| ((r.blob, r.diff_id), KnownLayer { id: r.id, body: r.body })).collect())
    }
}

impl Db {
    /// Of the layers with these tars, those that an image of the hub has, under whatever blob they came, by their diff_ids.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn known_tars(
        &self,
        hub: &HubId,
        diff_ids: &[String],
        version: i32,
    ) -> Result<HashMap<String, KnownLayer>> {
        let rows = sqlx::query!(
            "select distinct on (l.diff_id) l.id, l.diff_id, l.body from layer_index l
             where l.diff_id = any($2) and l.version = $3 and exists (
                select 1 from image_layer o join image i on i.id = o.image_id where o.index_id = l.id and i.hub_id = $1)
             order by l.diff_id, l.id desc",
            hub.as_str(),
            diff_ids,
            version
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|r| (r.diff_id, KnownLayer { id: r.id, body: r.body })).collect())
    }
}

impl Tx {
    /// Keeps the layers of an image. One that was known and is gone by now stays gone: it will be read again.
    pub(crate) async fn save_layers(&mut self, image: &ImageId, layers: &[SavedLayer]) -> Result<()> {
        let mut ids: Vec<i64> = Vec::new();
        let mut moved = Vec::new();
        let mut new = Vec::new();
        for layer in layers {
            match layer {
                SavedLayer::Known(id) => ids.push(*id),
                SavedLayer::Moved(id, body) => {
                    ids.push(*id);
                    moved.push((*id, body));
                }
                SavedLayer::New { blob, diff_id, version, body } => new.push((blob, diff_id, version, body)),
            }
        }
        // One order for everybody, each once.
        new.sort_unstable_by_key(|(blob, diff_id, ..)| (*blob, *diff_id));
        new.dedup_by_key(|(blob, diff_id, ..)| (*blob, *diff_id));
        for (blob, diff_id, version, body) in new {
            let id = sqlx::query_scalar!(
                "insert into layer_index (blob, diff_id, version, body) values ($1, $2, $3, $4)
                 on conflict (blob, diff_id, version) do update set body = excluded.body returning id",
                blob,
                diff_id,
                version,
                body
            )
            .fetch_one(self.conn())
            .await?;
            ids.push(id);
        }
        for (id, body) in moved {
            // Whoever saves another image of this layer just now knows places that are as good.
            sqlx::query!(
                "update layer_index set body = $2 where id = (
                    select id from layer_index where id = $1 for no key update skip locked)",
                id,
                body
            )
            .execute(self.conn())
            .await?;
        }
        let there = sqlx::query_scalar!(
            "select id from layer_index where id = any($1) order by id for key share",
            &ids
        )
        .fetch_all(self.conn())
        .await?;
        sqlx::query!(
            "insert into image_layer (image_id, index_id) select $1, u.id from unnest($2::bigint[]) as u (id)
             on conflict do nothing",
            image.as_str(),
            &there
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// An image has its layers no more; what no image has is forgotten.
    pub(super) async fn forget_layers(&mut self, image: &ImageId) -> Result<()> {
        let ids = sqlx::query_scalar!(
            "delete from image_layer where image_id = $1 returning index_id",
            image.as_str()
        )
        .fetch_all(self.conn())
        .await?;
        // Lock first, look afterwards: an import that is saving the same layer holds its row.
        sqlx::query!("select id from layer_index where id = any($1) order by id for update", &ids)
            .fetch_all(self.conn())
            .await?;
        sqlx::query!(
            "delete from layer_index l where l.id = any($1)
             and not exists (select 1 from image_layer o where o.index_id = l.id)",
            &ids
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }
}
