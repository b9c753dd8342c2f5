//! The outbox: events leave with the transaction that made them true, and stay as the ledger.

use std::time::Duration;

use model::HubId;
use model::api::LedgerEvent;
use model::event::{Envelope, Event};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Db, Result, Tx};

/// An event on its way out.
#[derive(Debug, Clone)]
pub struct Unsent {
    /// Its id, also the broker's message id.
    pub id: Uuid,
    /// The subject to publish it on.
    pub subject: String,
    /// The document.
    pub envelope: Envelope,
}

/// A batch being sent. Dropping it leaves the rows unsent.
#[derive(Debug)]
pub struct Sending {
    /// The events, oldest first.
    pub events: Vec<Unsent>,
    tx: sqlx::Transaction<'static, sqlx::Postgres>,
}

impl Tx {
    /// Leaves an event in the outbox.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn tell<E: Event>(
        &mut self,
        hub: &HubId,
        image: Option<&str>,
        from: &str,
        event: &E,
    ) -> Result<()> {
        let envelope = Envelope::wrap(hub, image, from, event)?;
        let id: Uuid = envelope.id.parse().unwrap_or_else(|_| Uuid::now_v7());
        sqlx::query!(
            "insert into outbox (id, hub_id, subject, envelope) values ($1, $2, $3, $4)",
            id,
            hub.as_str(),
            E::SUBJECT,
            Json(&envelope) as _
        )
        .execute(self.conn())
        .await?;
        self.events += 1;
        Ok(())
    }
}

impl Db {
    /// Takes the oldest unsent events. One relay sends at a time, so that the ledger's order is the order of sending.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn take_unsent(&self, limit: i64) -> Result<Sending> {
        let mut tx = self.pool.begin().await?;
        // What is marked as sent and forgotten in a crash is sent again with the same id: nobody need wait for the disk.
        sqlx::query!(
            "select set_config('synchronous_commit', 'off', true)
             where pg_advisory_xact_lock(hashtext('platen.outbox'))::text is not null"
        )
        .fetch_optional(&mut *tx)
        .await?;
        let rows = sqlx::query!(
            r#"select id, subject, envelope as "envelope: Json<Envelope>" from outbox
               where sent_at is null order by created_at, id limit $1"#,
            limit
        )
        .fetch_all(&mut *tx)
        .await?;
        let events = rows
            .into_iter()
            .map(|r| Unsent { id: r.id, subject: r.subject, envelope: r.envelope.0 })
            .collect();
        Ok(Sending { events, tx })
    }

    /// Is this the id of an event of our own? Then a message that carries it is a bell, not a request.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn is_own_event(&self, id: &str) -> Result<bool> {
        let Ok(id) = id.parse::<Uuid>() else { return Ok(false) };
        let found =
            sqlx::query_scalar!(r#"select exists (select 1 from outbox where id = $1) as "found!""#, id)
                .fetch_one(&self.pool)
                .await?;
        Ok(found)
    }

    /// The ledger of a hub's events behind a cursor, oldest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn ledger(&self, hub: &HubId, after: i64, limit: i64) -> Result<Vec<LedgerEvent>> {
        let rows = sqlx::query!(
            r#"select cursor as "cursor!", envelope as "envelope: Json<Envelope>" from outbox
               where hub_id = $1 and cursor > $2 order by cursor limit $3"#,
            hub.as_str(),
            after,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|r| LedgerEvent { cursor: r.cursor, event: r.envelope.0 }).collect())
    }

    /// Drops sent events older than this from the ledger.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn forget_events(&self, older: Duration) -> Result<u64> {
        let done = sqlx::query!(
            "delete from outbox where sent_at < now() - make_interval(secs => $1)",
            older.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}

impl Sending {
    /// Marks these as sent, in this order.
    ///
    /// # Errors
    /// When the database is away: they will be sent again, with the same ids.
    pub async fn sent(mut self, ids: &[Uuid]) -> Result<()> {
        sqlx::query!(
            "with numbered as materialized (
                select s.id, nextval('outbox_cursor') as cursor
                from (select id from unnest($1::uuid[]) with ordinality as u (id, place) order by place) s)
             update outbox o set sent_at = now(), cursor = n.cursor from numbered n where o.id = n.id",
            ids
        )
        .execute(&mut *self.tx)
        .await?;
        self.tx.commit().await?;
        Ok(())
    }
}
