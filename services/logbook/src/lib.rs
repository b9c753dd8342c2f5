//! Build logs: what is said on `log.image.>` is kept, in order and without gaps, and each log is closed once.
//!
//! The batches of one attempt and stage carry running numbers. A batch that comes before its predecessors (another
//! copy of this service has them in hand) is sent back for a moment; one that was kept before changes nothing.

use std::time::Duration;

use anyhow::Result;
use bus::{Message, Pull};
use chassis::{Context, logblock};
use db::log::Kept;
use model::ImageId;
use model::log::Batch;
use tokio::task::JoinSet;
use tracing::warn;

mod on_image_ended;

const SWEEP: Duration = Duration::from_secs(5);

/// Keeps logs until shutdown.
///
/// # Errors
/// Never by itself: outages are waited out.
pub async fn run(cx: Context) -> Result<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..cx.config.slots.max(1) {
        tasks.spawn(keep(cx.clone(), cx.bus.pull(bus::LOGS, "logbook", "log.image.*")));
    }
    tasks
        .spawn(on_image_ended::run(cx.clone(), cx.bus.pull(bus::IMAGES, "logbook-image-live", "image.live")));
    let failed = cx.bus.pull(bus::IMAGES, "logbook-image-import-failed", "image.import.failed");
    tasks.spawn(on_image_ended::run(cx.clone(), failed));
    tasks.spawn(sweep(cx));
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn keep(cx: Context, mut pull: Pull) {
    while !cx.shutdown.is_cancelled() {
        let message = tokio::select! {
            message = pull.next(SWEEP) => message,
            () = cx.shutdown.cancelled() => None,
        };
        if let Some(message) = message {
            on_log(&cx, &message).await;
        }
    }
}

async fn on_log(cx: &Context, message: &Message) {
    let batch: Batch = match serde_json::from_slice(message.body()) {
        Ok(batch) => batch,
        Err(error) => {
            let why = format!("not a batch of log lines: {error}");
            if let Err(error) = cx.db.bury(message.subject(), &why, message.body()).await {
                warn!(error = %error, "a dead letter could not be kept");
                return message.later(SWEEP).await;
            }
            return message.term().await;
        }
    };
    match cx.db.keep_log(&batch, |skip, first| logblock::encode(&batch, skip, first)).await {
        Ok(Kept::TooEarly) => message.later(Duration::from_millis(50)).await,
        Ok(Kept::Before) => message.ack().await,
        Ok(Kept::Yes) => {
            message.ack().await;
            close(cx, Some(&batch.image)).await;
            cx.bus.say(&format!("kept.image.{}", batch.image), bytes::Bytes::new()).await;
        }
        Err(error) => {
            warn!(image.id = %batch.image, error = %chassis::halt::chain(&error), "log lines could not be kept yet");
            message.later(Duration::from_secs(1)).await;
        }
    }
}

async fn close(cx: &Context, image: Option<&ImageId>) {
    match cx.db.close_logs(image).await {
        Ok(closed) => {
            for image in closed {
                cx.bus.say(&format!("kept.image.{image}"), bytes::Bytes::new()).await;
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
