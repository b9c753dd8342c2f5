//! The work on an image: asking for it, claiming it, moving it on, ending it.
//!
//! A worker claims the next row, fair between hubs, with an attempt number that only grows (the fence) and an expiry
//! by the database's clock. Every later write names that attempt; if it changes nothing, somebody else has taken
//! over and the worker's only duty is to leave.

use std::time::Duration;

use chrono::{DateTime, Utc};
use model::api::{BuildOptions, Override};
use model::pin::Pin;
use model::{HubId, ImageId, SourceId, State};

mod build;
pub mod claim;
pub mod end;
pub mod request;
pub mod save;

use crate::source::Sealed;
use crate::{Db, DbError, Result, Tx};

/// How long a claim lasts without being renewed.
pub const LEASE: Duration = Duration::from_secs(15);

/// How often a claim is renewed.
pub const RENEW: Duration = Duration::from_secs(5);

/// After this many failures for passing reasons an import is given up.
pub const MAX_FAILURES: i32 = 5;

/// After this many lapsed leases in a row without progress an import is given up.
pub const MAX_LAPSES: i32 = 20;

/// An import of so many compressed bytes at most takes next to no memory or time.
pub const LIGHT: u64 = 1 << 20;

/// The longest that an import waits because a registry asked it to.
pub const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// A claimed import.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The image.
    pub image: ImageId,
    /// The fence.
    pub attempt: i64,
    /// Its hub.
    pub hub: HubId,
    /// Its source.
    pub source: SourceId,
    /// Its name.
    pub name: String,
    /// Where it was when it was claimed.
    pub state: State,
    /// What was pinned, once it is.
    pub pin: Option<Pin>,
    /// What the image takes instead of the source's own.
    pub overrides: Override,
    /// How it is built.
    pub build: BuildOptions,
    /// The secrets it is built with, sealed.
    pub secrets: Sealed,
    /// The archive's digest and size, for uploads.
    pub upload: Option<(String, u64)>,
    /// Failures so far, for passing reasons.
    pub failures: i32,
    /// Lapsed leases in a row.
    pub lapses: i32,
    /// When the import was asked for.
    pub requested_at: DateTime<Utc>,
}

impl Claim {
    /// The state in which the factory begins.
    pub fn first_state(&self) -> State {
        match self.pin {
            Some(Pin::Upload { .. }) => State::Uploading,
            Some(Pin::Build { .. }) => State::Building,
            Some(Pin::Registry { .. }) | None => State::Downloading,
        }
    }

    /// A stage that a worker which vanished left behind?
    pub fn is_takeover(&self) -> bool {
        self.lapses > 0
    }
}

impl Db {
    /// Holds a claim for another [`LEASE`].
    ///
    /// # Errors
    /// [`DbError::LeaseLost`] when somebody else has claimed the image, or the import was cancelled.
    pub async fn renew(&self, image: &ImageId, attempt: i64) -> Result<()> {
        let done = sqlx::query!(
            "update image set lease_until = now() + make_interval(secs => $3)
             where id = $1 and attempt = $2 and lease_until is not null",
            image.as_str(),
            attempt,
            LEASE.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 0 { Err(DbError::LeaseLost) } else { Ok(()) }
    }
}

impl Tx {
    /// Moves an image from the state it is in to another, and tells of it.
    ///
    /// # Errors
    /// [`DbError::LeaseLost`] when the attempt is not the image's any more.
    pub async fn transition(
        &mut self,
        image: &ImageId,
        attempt: i64,
        to: State,
        from: &str,
    ) -> Result<State> {
        self.pass_to(image, attempt, &[to], from).await
    }

    /// Moves a claimed image to a state of the factory, and tells of each on the way that it was not in before.
    ///
    /// # Errors
    /// [`DbError::LeaseLost`] when the claim is somebody else's by now.
    pub(crate) async fn pass(&mut self, claim: &Claim, to: State, from: &str) -> Result<State> {
        let way = [claim.first_state(), State::Verifying, State::Saving];
        let end = way.iter().position(|state| *state == to).map_or(0, |place| place + 1);
        self.pass_to(&claim.image, claim.attempt, way.get(..end).unwrap_or_default(), from).await
    }

    async fn pass_to(
        &mut self,
        image: &ImageId,
        attempt: i64,
        through: &[State],
        from: &str,
    ) -> Result<State> {
        let to = through.last().copied().unwrap_or(State::New);
        let row = sqlx::query!(
            r#"update image i set state = $3, state_since = now()
               from (select id, state from image where id = $1 and attempt = $2 for update) old
               where i.id = old.id returning old.state, i.hub_id"#,
            image.as_str(),
            attempt,
            to.as_str()
        )
        .fetch_optional(self.conn())
        .await?
        .ok_or(DbError::LeaseLost)?;
        let before: State = row.state.parse().unwrap_or(to);
        let hub = HubId::stored(row.hub_id);
        let mut at = before;
        // Those before the one it is in are behind it.
        let begin = through.iter().position(|state| *state == before).map_or(0, |place| place + 1);
        for to in through.iter().skip(begin).copied() {
            let event = model::event::ImageStateChanged { image: image.clone(), from: at, to, attempt };
            self.tell(&hub, Some(image.as_str()), from, &event).await?;
            at = to;
        }
        Ok(before)
    }
}
