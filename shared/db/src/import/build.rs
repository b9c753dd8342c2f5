//! Builds: claimed like any import, but only so many of each hub at once.

use model::State;
use sqlx::types::Json;

use super::claim::{Row, claim};
use super::*;

/// Whoever claims a build holds this lock of the database until it is claimed: otherwise two might take a hub's last place.
const CLAIMING: i64 = 0x706c_6174_656e_0001;

impl Db {
    /// The next pinned build, also one whose factory vanished, of a hub with fewer than `most` under way.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn claim_to_build(&self, owner: &str, most: i64) -> Result<Option<Claim>> {
        let any = sqlx::query_scalar!(
            r#"select exists (select 1 from image i where i.is_build and i.requested_at is not null
                and i.state in ('new', 'downloading', 'building', 'uploading', 'verifying')
                and (i.lease_until is null or i.lease_until < now()) and (i.retry_at is null or i.retry_at <= now())) as "any!""#
        )
        .fetch_one(&self.pool)
        .await?;
        if !any {
            return Ok(None);
        }
        let mut tx = self.begin().await?;
        sqlx::query!("select pg_advisory_xact_lock($1)", CLAIMING).execute(tx.conn()).await?;
        let row = claim!(
            "is_build and state in ('new', 'downloading', 'building', 'uploading', 'verifying')",
            "i.is_build and coalesce(r.running, 0) < $3
                and i.state in ('new', 'downloading', 'building', 'uploading', 'verifying')",
            "1",
            owner,
            most
        )
        .fetch_optional(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(row.map(Claim::from))
    }

    /// How many builds of the hub go before this one, while it waits: those under way, and those asked for earlier. None when it
    /// does not wait for a place.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn build_queue(&self, hub: &HubId, image: &ImageId) -> Result<Option<u64>> {
        let before = sqlx::query_scalar!(
            r#"select (select count(*) from image o where o.hub_id = $1 and o.is_build and o.requested_at is not null
                    and o.id <> i.id and o.state in ('new', 'building', 'verifying')
                    and (o.lease_until > now() or o.requested_at < i.requested_at)) as "before!"
               from image i where i.hub_id = $1 and i.id = $2 and i.is_build and i.requested_at is not null
                and i.state = $3 and (i.lease_until is null or i.lease_until < now())"#,
            hub.as_str(),
            image.as_str(),
            State::New.as_str()
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(before.map(crate::bytes))
    }
}
