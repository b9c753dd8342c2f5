//! A durable pull consumer that survives restarts of the broker, deletion of the consumer, and a wiped store.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, AckKind};
use bytes::Bytes;
use futures::StreamExt;
use tracing::debug;

use crate::{BusError, Result, streams};

/// A consumer of one subject. Each copy asks for one message at a time, so none waits behind a busy one.
#[derive(Debug, Clone)]
pub struct Pull {
    jetstream: jetstream::Context,
    stream: &'static str,
    durable: String,
    subject: String,
    consumer: Option<PullConsumer>,
}

impl Pull {
    pub(crate) fn new(
        jetstream: jetstream::Context,
        stream: &'static str,
        durable: &str,
        subject: &str,
    ) -> Self {
        Self { jetstream, stream, durable: durable.to_owned(), subject: subject.to_owned(), consumer: None }
    }

    /// The next message, or `None` when none came in time or the bus is away; it never ends for good.
    pub async fn next(&mut self, wait: Duration) -> Option<Message> {
        let deadline = tokio::time::Instant::now() + wait;
        match self.try_next(wait).await {
            Ok(message) => message,
            Err(error) => {
                // The broker restarted, or lost the consumer or the whole stream: make it again next time.
                debug!(durable = self.durable, error = %error, "pulling again");
                self.consumer = None;
                let pause = Duration::from_millis(500).min(deadline - tokio::time::Instant::now());
                tokio::time::sleep(pause).await;
                None
            }
        }
    }

    async fn try_next(&mut self, wait: Duration) -> Result<Option<Message>> {
        let consumer = match &self.consumer {
            Some(consumer) => consumer.clone(),
            None => {
                let made = self.make().await?;
                self.consumer.insert(made).clone()
            }
        };
        let mut batch = consumer
            .batch()
            .max_messages(1)
            .expires(wait)
            .messages()
            .await
            .map_err(BusError::new("pull a message"))?;
        // The server ends an empty batch by itself; a little later we give up on a server that is gone.
        match tokio::time::timeout(wait + Duration::from_secs(1), batch.next()).await {
            Ok(Some(Ok(message))) => Ok(Some(Message(message))),
            Ok(Some(Err(error))) => {
                Err(BusError::new("pull a message")(std::io::Error::other(error.to_string())))
            }
            Ok(None) => Ok(None),
            Err(late) => Err(BusError::new("pull a message")(late)),
        }
    }

    async fn make(&self) -> Result<PullConsumer> {
        let stream = match self.jetstream.get_stream(self.stream).await {
            Ok(stream) => stream,
            Err(_) => {
                for config in streams::all() {
                    self.jetstream
                        .create_or_update_stream(config)
                        .await
                        .map_err(BusError::new("create a stream"))?;
                }
                self.jetstream.get_stream(self.stream).await.map_err(BusError::new("find a stream"))?
            }
        };
        let config = pull::Config {
            durable_name: Some(self.durable.clone()),
            filter_subject: self.subject.clone(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(30),
            max_deliver: -1,
            deliver_policy: DeliverPolicy::All,
            ..pull::Config::default()
        };
        stream.get_or_create_consumer(&self.durable, config).await.map_err(BusError::new("create a consumer"))
    }
}

/// A message that waits for its acknowledgement.
#[derive(Debug)]
pub struct Message(jetstream::Message);

impl Message {
    /// The subject it came on.
    pub fn subject(&self) -> &str {
        self.0.subject.as_str()
    }

    /// Its bytes.
    pub fn body(&self) -> &Bytes {
        &self.0.payload
    }

    /// What makes it the same request when it is delivered again: the sender's `Nats-Msg-Id`, else its place in
    /// the stream.
    pub fn key(&self) -> String {
        if let Some(id) = self.0.headers.as_ref().and_then(|h| h.get("Nats-Msg-Id")) {
            return format!("msg-id:{id}");
        }
        match self.0.info() {
            // The time is part of it: a wiped store begins to count anew.
            Ok(info) => {
                format!("{}:{}:{}", info.stream, info.stream_sequence, info.published.unix_timestamp_nanos())
            }
            Err(_) => String::new(),
        }
    }

    /// Taken. A lost acknowledgement brings it again, which does no harm.
    pub async fn ack(&self) {
        self.answer(AckKind::Ack).await;
    }

    /// Not now: bring it again after a while.
    pub async fn later(&self, delay: Duration) {
        self.answer(AckKind::Nak(Some(delay))).await;
    }

    /// Never again: it cannot be understood.
    pub async fn term(&self) {
        self.answer(AckKind::Term).await;
    }

    async fn answer(&self, kind: AckKind) {
        if let Err(error) = self.0.ack_with(kind).await {
            debug!(subject = self.subject(), error = %error, "an acknowledgement was not sent");
        }
    }
}
