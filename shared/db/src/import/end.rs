//! How an import ends: live, failed for good, or put back to be tried again.

use model::event::{ImageImportFailed, ImageLive};
use model::log::Stage;
use model::{Failure, api};
use sqlx::types::Json;

use super::*;

/// What became of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It will be tried again.
    Retried(Duration),
    /// It is over.
    Failed,
}

impl Claim {
    /// What becomes of the import when this attempt fails so.
    ///
    /// The pauses double, and are as long as whoever failed us asks, up to [`MAX_WAIT`]: asking sooner would only burn
    /// the attempts.
    pub fn after(&self, why: &Failure) -> Ended {
        let again = why.transient && self.failures + 1 < MAX_FAILURES && self.lapses <= MAX_LAPSES;
        if !again {
            return Ended::Failed;
        }
        let wished = why.retry_at.and_then(|at| (at - Utc::now()).to_std().ok()).unwrap_or_default();
        Ended::Retried(backoff(self.failures).max(wished.min(MAX_WAIT)))
    }

    /// What the user is told at the end: a failure for a passing reason that came too often says so.
    pub fn last_word(&self, why: &Failure) -> Failure {
        if !why.transient {
            return why.clone();
        }
        let tries = self.failures + 1;
        let (code, message) = (&why.code, &why.message);
        let told = format!("Given up after {tries} attempts; the last one failed with {code}: {message}");
        Failure::permanent("attempts.exhausted", told)
    }
}

impl Db {
    /// An attempt failed. A passing reason puts the import back until it has failed too often; any other ends it.
    ///
    /// # Errors
    /// [`DbError::LeaseLost`] when the claim is somebody else's by now.
    pub async fn attempt_failed(
        &self,
        claim: &Claim,
        stage: Stage,
        why: &Failure,
        end_seq: i64,
    ) -> Result<Ended> {
        let mut tx = self.begin().await?;
        let ended = claim.after(why);
        if let Ended::Retried(wait) = ended {
            tx.put_back(claim, stage, wait).await?;
        } else {
            let why = claim.last_word(why);
            tx.fail(&claim.hub, &claim.image, claim.attempt, &why, stage.as_str()).await?;
        }
        tx.log_ends(claim, stage, end_seq).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// The image is verified: it goes live. `certificate` is what was read back from the stored bytes; `layers` are the digests and
    /// certificates of those that no image had before.
    ///
    /// # Errors
    /// [`DbError::LeaseLost`] when the claim is somebody else's by now.
    pub async fn live(
        &self,
        claim: &Claim,
        certificate: &str,
        layers: &[(String, String)],
        end_seq: i64,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        if !layers.is_empty() {
            let (digests, certificates): (Vec<String>, Vec<String>) = layers.iter().cloned().unzip();
            sqlx::query!(
                "update recipe r set verified = v.certificate
                 from (select * from unnest($1::text[], $2::text[]) u (digest, certificate) order by digest) v
                 where r.digest = v.digest",
                &digests,
                &certificates
            )
            .execute(tx.conn())
            .await?;
        }
        tx.transition(&claim.image, claim.attempt, State::Live, "distributor").await?;
        let row = sqlx::query!(
            r#"update image set verified = $3, live_at = now(), requested_at = null, error = null,
                lease_until = null, lease_owner = null, upload_hash = null, upload_expires = null, secrets = '{}'
               where id = $1 and attempt = $2
               returning manifest_digest as "digest!", diff_id as "diff_id!", size as "size!", pin as "pin!: Json<Pin>",
                flat #>> '{platforms,0,source_digest}' as source_digest"#,
            claim.image.as_str(),
            claim.attempt,
            certificate
        )
        .fetch_one(tx.conn())
        .await?;
        let event = ImageLive {
            image: claim.image.clone(),
            source: claim.source.clone(),
            name: claim.name.clone(),
            digest: row.digest,
            diff_id: row.diff_id,
            source_digest: row.pin.digest().map(str::to_owned).or(row.source_digest).unwrap_or_default(),
            size: crate::bytes(row.size),
        };
        tx.tell(&claim.hub, Some(claim.image.as_str()), "distributor", &event).await?;
        tx.log_ends(claim, Stage::Distributor, end_seq).await?;
        tx.log_outcome(&claim.image, "live").await?;
        tx.commit().await
    }
}

impl Tx {
    async fn put_back(&mut self, claim: &Claim, stage: Stage, wait: Duration) -> Result<()> {
        if stage == Stage::Factory {
            self.transition(&claim.image, claim.attempt, State::New, stage.as_str()).await?;
        }
        let done = sqlx::query!(
            "update image set failures = failures + 1, retry_at = now() + make_interval(secs => $3),
                lease_until = null, lease_owner = null
             where id = $1 and attempt = $2 and requested_at is not null",
            claim.image.as_str(),
            claim.attempt,
            wait.as_secs_f64()
        )
        .execute(self.conn())
        .await?;
        if done.rows_affected() == 0 { Err(DbError::LeaseLost) } else { Ok(()) }
    }

    /// Ends an import for good: the image is `new` again, with its error, and holds nothing in store or quota.
    pub(super) async fn fail(
        &mut self,
        hub: &HubId,
        image: &ImageId,
        attempt: i64,
        why: &Failure,
        from: &str,
    ) -> Result<()> {
        let before = self.transition(image, attempt, State::New, from).await?;
        if before == State::Saving {
            self.release(hub, image).await?;
        }
        let error =
            api::StateError { code: why.code.clone(), message: why.message.clone(), time: Utc::now() };
        sqlx::query!(
            "update image set error = $3, requested_at = null, retry_at = null, lease_until = null, lease_owner = null,
                flat = null, manifest_digest = null, diff_id = null, config = null, size = null, platform = null,
                platforms = '{}'
             where id = $1 and attempt = $2",
            image.as_str(),
            attempt,
            Json(&error) as _
        )
        .execute(self.conn())
        .await?;
        sqlx::query!("delete from pack_hold where image_id = $1", image.as_str())
            .execute(self.conn())
            .await?;
        let event = ImageImportFailed {
            image: image.clone(),
            attempt,
            code: why.code.clone(),
            message: why.message.clone(),
        };
        self.tell(hub, Some(image.as_str()), from, &event).await?;
        self.log_outcome(image, &why.code).await
    }
}

/// Half a second, doubled with each failure.
fn backoff(failures: i32) -> Duration {
    Duration::from_millis(500u64.saturating_mul(1 << failures.clamp(0, 10)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(failures: i32) -> Claim {
        Claim {
            image: ImageId::new(),
            attempt: 1,
            hub: HubId::new(),
            source: SourceId::new(),
            name: String::new(),
            state: State::New,
            pin: None,
            overrides: Override::default(),
            build: model::api::BuildOptions::default(),
            secrets: crate::source::Sealed::new(),
            upload: None,
            failures,
            lapses: 0,
            requested_at: Utc::now(),
        }
    }

    fn wished(seconds: i64) -> Failure {
        let at = Utc::now() + chrono::Duration::seconds(seconds);
        Failure { retry_at: Some(at), ..Failure::transient("registry.rate_limited", "") }
    }

    #[test]
    fn pauses_double_until_it_is_given_up() {
        let plain = Failure::transient("registry.error", "");
        let waits: Vec<Ended> = (0..MAX_FAILURES).map(|failures| claim(failures).after(&plain)).collect();
        let ms = |ms| Ended::Retried(Duration::from_millis(ms));
        assert_eq!(waits, [ms(500), ms(1000), ms(2000), ms(4000), Ended::Failed]);
        assert_eq!(claim(0).after(&Failure::permanent("x", "")), Ended::Failed);
    }

    #[test]
    fn a_wish_to_be_left_alone_is_kept_within_a_day() {
        let seconds = |wish: i64, failures| match claim(failures).after(&wished(wish)) {
            Ended::Retried(wait) => wait.as_secs_f64(),
            Ended::Failed => panic!("it is tried again"),
        };
        assert!((3599.0..=3600.0).contains(&seconds(3600, 0)));
        assert_eq!(seconds(10 * 86_400, 0), MAX_WAIT.as_secs_f64());
        for past in [0, -1, -86_400] {
            assert_eq!(seconds(past, 1), 1.0);
        }
        assert_eq!(claim(MAX_FAILURES - 1).after(&wished(3600)), Ended::Failed);
    }
}
