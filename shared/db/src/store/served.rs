//! What `/v2/` answers from: the live images of a source, their manifests, configs and layers.

use model::{HubId, ImageId};

use crate::{Db, Result, bytes};

/// A manifest to answer with.
#[derive(Debug, Clone)]
pub struct ServedManifest {
    /// The image it belongs to.
    pub image: ImageId,
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// A blob to answer with.
#[derive(Debug, Clone)]
pub struct ServedBlob {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    /// The bytes themselves, when it is a document; else it is a layer with a recipe.
    pub body: Option<Vec<u8>>,
}

impl Db {
    /// The manifest or index a reference of a source points to: a digest, an image's id, `latest` (the newest live one), or a
    /// name (the newest live one of that name).
    ///
    /// # Errors
    /// When the database is away.
    pub async fn manifest(
        &self,
        hub: &HubId,
        source: &str,
        reference: &str,
    ) -> Result<Option<ServedManifest>> {
        let row = sqlx::query!(
            r#"select i.id, v.digest, v.media_type, d.body
               from image i join image_source s on s.id = i.source_id
               join image_served v on v.image_id = i.id and v.kind in ('index', 'manifest')
               join document d on d.digest = v.digest
               where s.hub_id = $1 and s.identifier = $2 and s.deleted_at is null and i.state = 'live'
                 and (v.digest = $3 or (v.digest = i.manifest_digest and (i.id = $3 or i.name = $3 or $3 = 'latest')))
               order by (v.digest = $3) desc, (i.id = $3) desc, (i.name = $3) desc, i.live_at desc, i.id desc limit 1"#,
            hub.as_str(),
            source,
            reference
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|r| ServedManifest {
            image: ImageId::stored(r.id),
            digest: r.digest,
            media_type: r.media_type,
            body: r.body,
        }))
    }

    /// A blob that some live image of a source has.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn blob(&self, hub: &HubId, source: &str, digest: &str) -> Result<Option<ServedBlob>> {
        let row = sqlx::query!(
            r#"select v.media_type, v.size, d.body as "body?" from image_served v
               join image i on i.id = v.image_id join image_source s on s.id = i.source_id
               left join document d on d.digest = v.digest
               where s.hub_id = $1 and s.identifier = $2 and s.deleted_at is null and i.state = 'live' and v.digest = $3
               limit 1"#,
            hub.as_str(),
            source,
            digest
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|r| ServedBlob {
            digest: digest.to_owned(),
            media_type: r.media_type,
            size: bytes(r.size),
            body: r.body,
        }))
    }

    /// The tags of a source: `latest`, and the id and name of each live image. Null when there is no such source.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn tags(&self, hub: &HubId, source: &str) -> Result<Option<Vec<String>>> {
        let row = sqlx::query!(
            r#"select array(
                    select distinct t.tag from image i, unnest(array[i.id, i.name, 'latest']) as t (tag)
                    where i.source_id = s.id and i.state = 'live' and t.tag ~ '^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$'
                    order by t.tag) as "tags!"
               from image_source s where s.hub_id = $1 and s.identifier = $2 and s.deleted_at is null"#,
            hub.as_str(),
            source
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|r| r.tags))
    }

    /// Notes that an image was pulled; once a minute is enough.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn pulled(&self, image: &ImageId) -> Result<()> {
        sqlx::query!(
            "update image set last_used = now()
             where id = $1 and (last_used is null or last_used < now() - interval '1 minute')",
            image.as_str()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What the distributor reads back of a stored image: index, manifests, configs and layers, each with its digest and size.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn served_by(&self, image: &ImageId) -> Result<Vec<(String, ServedBlob)>> {
        let rows = sqlx::query!(
            r#"select v.kind, v.digest, v.media_type, v.size, d.body as "body?" from image_served v
               left join document d on d.digest = v.digest where v.image_id = $1"#,
            image.as_str()
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|r| {
                let blob = ServedBlob {
                    digest: r.digest,
                    media_type: r.media_type,
                    size: bytes(r.size),
                    body: r.body,
                };
                (r.kind, blob)
            })
            .collect())
    }
}
