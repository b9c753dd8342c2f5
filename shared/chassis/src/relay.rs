//! The outbox relay: publishes what transactions left behind, in order, until the stream has it.

use std::time::Duration;

use db::outbox::Unsent;
use futures::future::join_all;
use tracing::{debug, warn};

use crate::Context;

const BATCH: i64 = 200;

/// Relays until shutdown. One a process is enough; any number of processes may run one.
pub async fn run(cx: Context) {
    let mut away = false;
    loop {
        match drain(&cx).await {
            Ok(()) => away = false,
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    warn!(error = %format!("{error:#}"), "events wait in the outbox");
                }
            }
        }
        tokio::select! {
            () = cx.db.outbox_rung() => {}
            // What another process left behind when it went, or an outage kept us from sending.
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = cx.shutdown.cancelled() => break,
        }
    }
    // The last transactions of the services that are stopping.
    if let Err(error) = drain(&cx).await {
        debug!(error = %format!("{error:#}"), "events stay in the outbox until the next start");
    }
}

async fn drain(cx: &Context) -> anyhow::Result<()> {
    loop {
        let sending = cx.db.take_unsent(BATCH).await?;
        let wanted = sending.events.len();
        if wanted == 0 {
            return Ok(());
        }
        let publish = join_all(sending.events.iter().map(|event| publish(cx, event)));
        let results = tokio::time::timeout(Duration::from_secs(5), publish).await?;
        let sent: Vec<_> = results.into_iter().flatten().collect();
        let all = sent.len() == wanted;
        sending.sent(&sent).await?;
        anyhow::ensure!(all, "{} of {wanted} events were not acknowledged", wanted - sent.len());
    }
}

async fn publish(cx: &Context, event: &Unsent) -> anyhow::Result<uuid::Uuid> {
    let body = serde_json::to_vec(&event.envelope)?;
    let id = event.id.to_string();
    cx.bus.publish(&event.subject, Some(&id), model::event::CONTENT_TYPE, body.into()).await?;
    Ok(event.id)
}
