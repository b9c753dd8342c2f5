//! Claiming the next import, and handing it on.
//!
//! Order: hubs with fewer imports running first, then the oldest request. `skip locked` lets any number of workers
//! claim at once without waiting for each other.

use model::event::ImageImportRequested;
use sqlx::types::Json;

use super::*;

pub(super) struct Row {
    pub(super) id: String,
    pub(super) attempt: i64,
    pub(super) hub_id: String,
    pub(super) source_id: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) pin: Option<Json<Pin>>,
    pub(super) overrides: Option<Json<Override>>,
    pub(super) build: Option<Json<BuildOptions>>,
    pub(super) secrets: Json<Sealed>,
    pub(super) upload_digest: Option<String>,
    pub(super) upload_size: Option<i64>,
    pub(super) failures: i32,
    pub(super) lapses: i32,
    pub(super) requested_at: DateTime<Utc>,
}

impl From<Row> for Claim {
    fn from(row: Row) -> Self {
        Self {
            image: ImageId::stored(row.id),
            attempt: row.attempt,
            hub: HubId::stored(row.hub_id),
            source: SourceId::stored(row.source_id),
            name: row.name,
            state: row.state.parse().unwrap_or(State::New),
            pin: row.pin.map(|p| p.0),
            overrides: row.overrides.map(|o| o.0).unwrap_or_default(),
            build: row.build.map(|b| b.0).unwrap_or_default(),
            secrets: row.secrets.0,
            upload: row.upload_digest.zip(row.upload_size.map(crate::bytes)),
            failures: row.failures,
            lapses: row.lapses,
            requested_at: row.requested_at,
        }
    }
}

// Claims one of `$which` for `$owner`: of the hub with the fewest `$running` first.
macro_rules! claim {
    ($running:literal, $which:literal, $tries:literal, $owner:expr, $third:expr) => {
        sqlx::query_as!(
            Row,
            r#"update image set attempt = attempt + 1, tries = tries + "#
                + $tries
                + r#", lease_owner = $1, lease_until = now() + make_interval(secs => $2), retry_at = null,
                lapses = case when lease_until is null then lapses else lapses + 1 end
            where id = (
                select i.id from image i
                left join (select hub_id, count(*) as running from image where lease_until > now() and "#
                + $running
                + r#" group by hub_id) r on r.hub_id = i.hub_id
                where i.requested_at is not null and "#
                + $which
                + r#" and (i.lease_until is null or i.lease_until < now()) and (i.retry_at is null or i.retry_at <= now())
                order by coalesce(r.running, 0), i.requested_at
                limit 1 for update of i skip locked)
            returning id, attempt, hub_id, source_id, name, state, pin as "pin: Json<Pin>",
                overrides as "overrides: Json<Override>", build as "build: Json<BuildOptions>", secrets as "secrets: Json<Sealed>", upload_digest, upload_size, failures, lapses,
                requested_at as "requested_at!""#,
            $owner,
            LEASE.as_secs_f64(),
            $third
        )
    };
}

pub(super) use claim;

impl Db {
    /// The next import whose target is not pinned.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn claim_to_pin(&self, owner: &str) -> Result<Option<Claim>> {
        let row =
            claim!("true", "i.state = 'new' and i.pin is null and i.weight <= $3", "0", owner, i64::MAX)
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(Claim::from))
    }

    /// The next pinned import to fetch and flatten, also one whose factory vanished: any, or one that is [`LIGHT`].
    ///
    /// # Errors
    /// When the database is away.
    pub async fn claim_to_flatten(&self, owner: &str, light: bool) -> Result<Option<Claim>> {
        let weight = if light { crate::bigint(LIGHT) } else { i64::MAX };
        let row = claim!(
            "true",
            "i.pin is not null and not i.is_build and i.weight <= $3
                and i.state in ('new', 'downloading', 'building', 'uploading', 'verifying')",
            "1",
            owner,
            weight
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(Claim::from))
    }

    /// The next stored image to verify and make live.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn claim_to_verify(&self, owner: &str) -> Result<Option<Claim>> {
        let row = claim!("true", "i.state = 'saving' and i.weight <= $3", "0", owner, i64::MAX)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(Claim::from))
    }

    /// The target is pinned: hands the import on to the factory. `weight` are the compressed bytes it may have to read,
    /// `end_seq` is the resolver's last log line.
    ///
    /// # Errors
    /// [`DbError::LeaseLost`] when the claim is somebody else's by now.
    pub async fn pinned(&self, claim: &Claim, pin: &Pin, weight: u64, end_seq: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        let done = sqlx::query!(
            "update image set pin = $3, weight = $4, is_build = $5, lease_until = null, lease_owner = null, lapses = 0
             where id = $1 and attempt = $2 and requested_at is not null",
            claim.image.as_str(),
            claim.attempt,
            Json(pin) as _,
            crate::bigint(weight),
            pin.is_build()
        )
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(DbError::LeaseLost);
        }
        let event = ImageImportRequested {
            image: Some(claim.image.clone()),
            pin: Some(pin.clone()),
            ..ImageImportRequested::default()
        };
        tx.tell(&claim.hub, Some(claim.image.as_str()), "resolver", &event).await?;
        tx.log_ends(claim, model::log::Stage::Resolver, end_seq).await?;
        tx.commit().await
    }

    /// The work on a claimed image has begun, and lasts. One that is somewhere already stays there.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn begins(&self, claim: &Claim, from: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        let to = claim.first_state();
        let moved = sqlx::query!(
            "update image set state = $3, state_since = now() where id = $1 and attempt = $2 and state = 'new'",
            claim.image.as_str(),
            claim.attempt,
            to.as_str()
        )
        .execute(tx.conn())
        .await?;
        if moved.rows_affected() > 0 {
            let (image, attempt) = (claim.image.clone(), claim.attempt);
            let event = model::event::ImageStateChanged { image, from: State::New, to, attempt };
            tx.tell(&claim.hub, Some(claim.image.as_str()), from, &event).await?;
        }
        tx.commit().await
    }

    /// Moves a claimed image to another state of the factory, through those before it that it has not been in.
    ///
    /// # Errors
    /// [`DbError::LeaseLost`] when the claim is somebody else's by now.
    pub async fn advance(&self, claim: &Claim, to: State, from: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.pass(claim, to, from).await?;
        tx.commit().await
    }
}
