//! Following a build log: every line once, also over broken connections.

use std::time::Duration;

use anyhow::Result;
use futures::StreamExt;
use model::ImageId;
use model::api::ApiError;
use model::log::{Kept, Progress};
use reqwest::Method;

use super::sse::Events;
use crate::client::Client;

/// After this many broken connections without a line between them, the factory is given up.
const PATIENCE: u32 = 60;

/// Something a follower hears.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A kept line.
    Line(Kept),
    /// How far a layer is.
    Progress(Progress),
    /// The log is closed: no more lines will come.
    End,
}

/// A follower of one image's log.
pub(crate) struct Follow {
    client: Client,
    image: ImageId,
    next: i64,
    events: Option<Events>,
    broken: u32,
}

impl Follow {
    /// Follows from an offset on.
    pub(crate) fn new(client: Client, image: ImageId, from: i64) -> Self {
        Self { client, image, next: from, events: None, broken: 0 }
    }

    /// The next thing to hear.
    pub(crate) async fn next(&mut self) -> Result<Heard> {
        loop {
            if let Some(heard) = self.hear().await? {
                return Ok(heard);
            }
            self.events = None;
            self.broken += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn hear(&mut self) -> Result<Option<Heard>> {
        if self.events.is_none() {
            let path = format!("/v1/images/{}/build-log?follow=true&from={}", self.image, self.next);
            match self.client.send(self.client.request(Method::GET, &path)).await {
                Ok(response) => self.events = Some(Events::new(response)),
                // An outage is waited out; a refusal is final.
                Err(error) => {
                    let refused = error.downcast_ref::<ApiError>().is_some_and(|e| e.status < 500);
                    if refused || self.broken >= PATIENCE || (self.broken == 0 && self.next == 0) {
                        return Err(error);
                    }
                    return Ok(None);
                }
            }
        }
        let Some(events) = &mut self.events else { return Ok(None) };
        while let Some(Ok(event)) = events.next().await {
            match event.name.as_str() {
                "line" => {
                    let line: Kept = serde_json::from_str(&event.data)?;
                    self.next = line.offset + 1;
                    self.broken = 0;
                    return Ok(Some(Heard::Line(line)));
                }
                "progress" => {
                    if let Ok(progress) = serde_json::from_str(&event.data) {
                        return Ok(Some(Heard::Progress(progress)));
                    }
                }
                "end" => return Ok(Some(Heard::End)),
                _ => {}
            }
        }
        Ok(None)
    }
}
