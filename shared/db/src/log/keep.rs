//! Keeping lines: many batches, of many images, in one transaction.

use std::collections::HashMap;

use model::ImageId;
use model::log::Stage;

use crate::{Db, Result};

/// A batch of lines, as it is to be kept.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The image.
    pub image: ImageId,
    /// The attempt.
    pub attempt: i64,
    /// The stage that spoke.
    pub stage: Stage,
    /// Number of its first line.
    pub seq: i64,
    /// How many lines there are.
    pub lines: usize,
    /// The body of its block.
    pub body: Vec<u8>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Its lines (or those that were not kept before) are kept.
    Yes,
    /// All of it was kept before, or its image is not known.
    Before,
    /// Lines before it are missing: bring it again later.
    TooEarly,
}

/// The rows that change, as columns.
#[derive(Default)]
struct Columns {
    images: Vec<String>,
    firsts: Vec<i64>,
    lines: Vec<i32>,
    bodies: Vec<Vec<u8>>,
}

impl Db {
    /// Keeps batches; those of one attempt and stage in their order. Logs that are complete with them are closed.
    ///
    /// # Errors
    /// When the database is away: nothing is kept then.
    pub async fn keep_logs(&self, pieces: Vec<Piece>) -> Result<Vec<Kept>> {
        let images: Vec<String> = pieces.iter().map(|piece| piece.image.to_string()).collect();
        let mut tx = self.pool.begin().await?;
        // A log's row is the lock: copies of logbook keep one image's lines one after the other.
        let rows = sqlx::query!(
            "select image_id, next_offset from image_log where image_id = any($1) order by image_id for no key update",
            &images
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut offsets: HashMap<String, i64> =
            rows.into_iter().map(|row| (row.image_id, row.next_offset)).collect();
        let rows = sqlx::query!(
            "select image_id, attempt, stage, next_seq from image_log_cursor where image_id = any($1)",
            &images
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut cursors: HashMap<(String, i64, String), i64> =
            rows.into_iter().map(|row| ((row.image_id, row.attempt, row.stage), row.next_seq)).collect();
        let mut kept = Vec::new();
        let mut blocks = Columns::default();
        let mut moved: Vec<(String, i64, String)> = Vec::new();
        for piece in pieces {
            let image = piece.image.to_string();
            let Some(offset) = offsets.get_mut(&image) else {
                kept.push(Kept::Before);
                continue;
            };
            let cursor = (image.clone(), piece.attempt, piece.stage.as_str().to_owned());
            let next = cursors.entry(cursor.clone()).or_insert(1);
            let end = piece.seq.saturating_add(i64::try_from(piece.lines).unwrap_or(0));
            if piece.seq > *next {
                kept.push(Kept::TooEarly);
            } else if end <= *next {
                kept.push(Kept::Before);
            } else {
                let count = end - *next;
                blocks.images.push(image);
                blocks.firsts.push(*offset);
                blocks.lines.push(i32::try_from(count).unwrap_or(0));
                blocks.bodies.push(piece.body);
                (*offset, *next) = (*offset + count, end);
                moved.push(cursor);
                kept.push(Kept::Yes);
            }
        }
        if blocks.images.is_empty() {
            return Ok(kept);
        }
        sqlx::query!(
            "insert into image_log_block (image_id, first_offset, lines, body)
             select * from unnest($1::text[], $2::bigint[], $3::integer[], $4::bytea[])",
            &blocks.images,
            &blocks.firsts,
            &blocks.lines,
            &blocks.bodies
        )
        .execute(&mut *tx)
        .await?;
        moved.sort_unstable();
        moved.dedup();
        let seqs: Vec<i64> = moved.iter().map(|cursor| cursors.get(cursor).copied().unwrap_or(1)).collect();
        let attempts: Vec<i64> = moved.iter().map(|(_, attempt, _)| *attempt).collect();
        let (names, stages): (Vec<String>, Vec<String>) = moved.into_iter().map(|(i, _, s)| (i, s)).unzip();
        sqlx::query!(
            "insert into image_log_cursor (image_id, attempt, stage, next_seq)
             select * from unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[])
             on conflict (image_id, attempt, stage) do update set next_seq = excluded.next_seq",
            &names,
            &attempts,
            &stages,
            &seqs
        )
        .execute(&mut *tx)
        .await?;
        let (names, nexts): (Vec<String>, Vec<i64>) = offsets.into_iter().unzip();
        let ended = sqlx::query_scalar!(
            "update image_log l set next_offset = n.next_offset
             from unnest($1::text[], $2::bigint[]) n (image_id, next_offset)
             where l.image_id = n.image_id and l.next_offset < n.next_offset
             returning case when l.outcome is not null and l.closed_at is null then l.image_id end",
            &names,
            &nexts
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        for image in ended.into_iter().flatten() {
            self.close_logs(Some(&ImageId::stored(image))).await?;
        }
        Ok(kept)
    }
}
