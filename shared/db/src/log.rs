//! Kept build logs: compressed blocks, addressable by offset.
//!
//! Lines are numbered without a gap within an attempt and stage. A batch that was kept before changes nothing; one
//! that comes too early is refused until the lines before it are there. A log is closed once, when the import's
//! outcome is known and every stage that said where it ended is kept up to there.

use model::ImageId;
use model::log::Stage;

use crate::import::Claim;
use crate::{Db, Result, Tx};

mod keep;

pub use keep::{Kept, Piece};

/// A block of kept lines.
#[derive(Debug, Clone)]
pub struct Block {
    /// Offset of its first line.
    pub first: i64,
    /// How many of the batch's lines, its last ones, are kept by it.
    pub lines: usize,
    /// A compressed batch, as `logbook` packed it.
    pub body: Vec<u8>,
}

/// How a log stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// The offset after the last kept line.
    pub next: i64,
    /// `live` or a failure's code, once closed.
    pub closed: Option<String>,
}

impl Db {
    /// Closes logs whose outcome is known and whose lines are all kept; `image` alone, or all of them. Returns the
    /// ones closed. A log whose lines are gone for good (the broker lost them) is closed after a minute all the same.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn close_logs(&self, image: Option<&ImageId>) -> Result<Vec<ImageId>> {
        let rows = sqlx::query_scalar!(
            "update image_log l set closed_at = now() from image i
             where i.id = l.image_id and l.outcome is not null and l.closed_at is null
               and ($1::text is null or l.image_id = $1)
               and (i.state_since < now() - interval '1 minute' or not exists (
                    select 1 from image_log_cursor c where c.image_id = l.image_id and c.end_seq >= c.next_seq))
             returning l.image_id",
            image.map(ImageId::as_str)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(ImageId::stored).collect())
    }

    /// How a log stands; null when there is no such image.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn log_state(&self, image: &ImageId) -> Result<Option<LogState>> {
        let row = sqlx::query!(
            r#"select next_offset, case when closed_at is not null then outcome end as closed
               from image_log where image_id = $1"#,
            image.as_str()
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|r| LogState { next: r.next_offset, closed: r.closed }))
    }

    /// Blocks of a log that hold lines from this offset on, in order.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn log_blocks(&self, image: &ImageId, from: i64, limit: i64) -> Result<Vec<Block>> {
        let rows = sqlx::query!(
            "select first_offset, lines, body from image_log_block where image_id = $1 and first_offset + lines > $2
             order by first_offset limit $3",
            image.as_str(),
            from,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        let block = |lines: i32| usize::try_from(lines).unwrap_or(0);
        Ok(rows
            .into_iter()
            .map(|r| Block { first: r.first_offset, lines: block(r.lines), body: r.body })
            .collect())
    }
}

impl Tx {
    /// A new import was asked for: its log goes on.
    pub(crate) async fn open_log(&mut self, image: &ImageId) -> Result<()> {
        sqlx::query!(
            "insert into image_log (image_id) values ($1)
             on conflict (image_id) do update set outcome = null, closed_at = null",
            image.as_str()
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// A stage of an attempt has said its last line.
    pub(crate) async fn log_ends(&mut self, claim: &Claim, stage: Stage, end_seq: i64) -> Result<()> {
        // The log's row before its cursors, as keeping does, or the two would wait for each other.
        sqlx::query!(
            "insert into image_log_cursor (image_id, attempt, stage, end_seq)
             select l.image_id, $2, $3, $4 from (select image_id from image_log where image_id = $1 for no key update) l
             on conflict (image_id, attempt, stage) do update set end_seq = excluded.end_seq",
            claim.image.as_str(),
            claim.attempt,
            stage.as_str(),
            end_seq
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// The import is over, with this outcome.
    pub(crate) async fn log_outcome(&mut self, image: &ImageId, outcome: &str) -> Result<()> {
        sqlx::query!("update image_log set outcome = $2 where image_id = $1", image.as_str(), outcome)
            .execute(self.conn())
            .await?;
        Ok(())
    }
}
