//! Build logs: what is said on `log.image.>` is kept, in order and without gaps, and each log is closed once.
//!
//! The batches of one attempt and stage carry running numbers. A batch that comes before its predecessors (another
//! copy of this service has them in hand) is sent back for a moment; one that was kept before changes nothing.

use std::time::Duration;

use anyhow::Result;
use bus::{Message, Pull};
use chassis::Context;
use chassis::logblock::Packer;
use db::log::{Kept, Piece};
use model::ImageId;
use tokio::task::JoinSet;
use tracing::warn;

mod heard;
mod on_image_ended;

const SWEEP: Duration = Duration::from_secs(5);

/// Messages kept in one transaction.
const MANY: usize = 64;

/// How long others are waited for, while several come at a time.
const GATHER: Duration = Duration::from_millis(25);

/// Keeps logs until shutdown.
///
/// # Errors
/// Never by itself: outages are waited out.
pub async fn run(cx: Context) -> Result<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(keep(cx.clone(), cx.bus.pull(bus::LOGS, "logbook", "log.image.*")));
    tasks
        .spawn(on_image_ended::run(cx.clone(), cx.bus.pull(bus::IMAGES, "logbook-image-live", "image.live")));
    let failed = cx.bus.pull(bus::IMAGES, "logbook-image-import-failed", "image.import.failed");
    tasks.spawn(on_image_ended::run(cx.clone(), failed));
    tasks.spawn(sweep(cx));
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn keep(cx: Context, mut pull: Pull) {
    let Ok(mut packer) = Packer::new() else { return };
    let mut gather = Duration::ZERO;
    while !cx.shutdown.is_cancelled() {
        let messages = tokio::select! {
            messages = pull.some(MANY, SWEEP, gather) => messages,
            () = cx.shutdown.cancelled() => Vec::new(),
        };
        gather = if messages.len() > 1 { GATHER } else { Duration::ZERO };
        if !messages.is_empty() {
            on_logs(&cx, &mut packer, messages).await;
        }
    }
}

async fn on_logs(cx: &Context, packer: &mut Packer, messages: Vec<Message>) {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut heard: Vec<Message> = Vec::new();
    for message in messages {
        match heard::piece(message.body(), packer) {
            Ok(piece) => {
                pieces.push(piece);
                heard.push(message);
            }
            Err(error) => bury(cx, &message, &format!("not a batch of log lines: {error}")).await,
        }
    }
    let images: Vec<ImageId> = pieces.iter().map(|piece| piece.image.clone()).collect();
    let kept = match cx.db.keep_logs(pieces).await {
        Ok(kept) => kept,
        Err(error) => {
            warn!(error = %chassis::halt::chain(&error), "log lines could not be kept yet");
            for message in &heard {
                message.later(Duration::from_secs(1)).await;
            }
            return;
        }
    };
    let mut told: Vec<&ImageId> = Vec::new();
    for ((message, image), kept) in heard.iter().zip(&images).zip(kept) {
        match kept {
            Kept::TooEarly => message.later(Duration::from_millis(50)).await,
            Kept::Before => message.ack().await,
            Kept::Yes => {
                message.ack().await;
                if !told.contains(&image) {
                    told.push(image);
                }
            }
        }
    }
    for image in told {
        tell(cx, image).await;
    }
}

async fn bury(cx: &Context, message: &Message, why: &str) {
    match cx.db.bury(message.subject(), why, message.body()).await {
        Ok(_) => message.term().await,
        Err(error) => {
            warn!(error = %error, "a dead letter could not be kept");
            message.later(SWEEP).await;
        }
    }
}

async fn tell(cx: &Context, image: &ImageId) {
    cx.bus.say(&format!("kept.image.{image}"), bytes::Bytes::new()).await;
}

async fn close(cx: &Context, image: Option<&ImageId>) {
    match cx.db.close_logs(image).await {
        Ok(closed) => {
            for image in closed {
                tell(cx, &image).await;
            }
        }
        Err(error) => warn!(error = %error, "logs could not be closed yet"),
    }
}

async fn sweep(cx: Context) {
    while cx.shutdown.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
        close(&cx, None).await;
    }
}
