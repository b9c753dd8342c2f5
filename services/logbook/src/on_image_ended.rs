//! `image.live` and `image.import.failed`: the outcome of an import is known, so its log may be complete.

use bus::Pull;
use chassis::Context;
use model::ImageId;
use serde_json::Value;

/// Closes logs whose import has ended, until shutdown. What is missed here, the sweep finds.
pub(crate) async fn run(cx: Context, mut pull: Pull) {
    while !cx.shutdown.is_cancelled() {
        let message = tokio::select! {
            message = pull.next(super::SWEEP) => message,
            () = cx.shutdown.cancelled() => None,
        };
        let Some(message) = message else { continue };
        if let Some(image) = image_of(message.body()) {
            super::close(&cx, Some(&image)).await;
        }
        message.ack().await;
    }
}

fn image_of(body: &[u8]) -> Option<ImageId> {
    let envelope: Value = serde_json::from_slice(body).ok()?;
    envelope.get("subject")?.as_str()?.parse().ok()
}
