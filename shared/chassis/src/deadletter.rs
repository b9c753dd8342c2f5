//! Messages that cannot be understood: kept with the reason, published on `dlq.<subject>`, never delivered again.

use std::time::Duration;

use bus::Message;
use serde_json::json;
use tracing::warn;

use crate::Context;

/// Buries a message. While the database is away it is kept where it is.
pub async fn bury(cx: &Context, message: &Message, reason: &str) {
    warn!(subject = message.subject(), reason, "a message was refused");
    if let Err(error) = cx.db.bury(message.subject(), reason, message.body()).await {
        warn!(error = %crate::halt::chain(&error), "a dead letter could not be kept yet");
        return message.later(Duration::from_secs(2)).await;
    }
    let letter = json!({ "subject": message.subject(), "reason": reason, "body": String::from_utf8_lossy(message.body()) });
    let subject = format!("dlq.{}", message.subject());
    if let Err(error) = cx.bus.publish(&subject, None, "application/json", letter.to_string().into()).await {
        warn!(error = %crate::halt::chain(&error), "a dead letter is kept, but could not be published");
    }
    message.term().await;
}
