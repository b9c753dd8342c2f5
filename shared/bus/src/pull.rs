//! A durable pull consumer that survives restarts of the broker, deletion of the consumer, and a wiped store.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, AckKind};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tracing::debug;

use crate::{BusError, Result, streams};

/// A consumer of one subject. Who asks for one message at a time never has one wait behind a busy one.
pub struct Pull {
    jetstream: jetstream::Context,
    stream: &'static str,
    durable: String,
    subject: String,
    consumer: Option<PullConsumer>,
    /// A question for several messages that some did not come to yet.
    asked: Option<pull::Batch>,
}

impl Clone for Pull {
    /// Another copy, with questions of its own.
    fn clone(&self) -> Self {
        let Self { jetstream, stream, durable, subject, consumer, asked: _ } = self;
        Self {
            jetstream: jetstream.clone(),
            stream,
            durable: durable.clone(),
            subject: subject.clone(),
            consumer: consumer.clone(),
            asked: None,
        }
    }
}

impl std::fmt::Debug for Pull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pull").field("durable", &self.durable).finish_non_exhaustive()
    }
}

impl Pull {
    pub(crate) fn new(
        jetstream: jetstream::Context,
        stream: &'static str,
        durable: &str,
        subject: &str,
    ) -> Self {
        Self {
            jetstream,
            stream,
            durable: durable.to_owned(),
            subject: subject.to_owned(),
            consumer: None,
            asked: None,
        }
    }

    /// The next message, or `None` when none came in time or the bus is away; it never ends for good.
    pub async fn next(&mut self, wait: Duration) -> Option<Message> {
        self.some(1, wait, Duration::ZERO).await.pop()
    }

    /// Up to `most` messages: waits for the first, and takes what came with it or within `gather` of it. None when none came in time or the bus is
    /// away; it never ends for good.
    pub async fn some(&mut self, most: usize, wait: Duration, gather: Duration) -> Vec<Message> {
        let deadline = tokio::time::Instant::now() + wait;
        let mut got = Vec::new();
        let asked = self.try_some(most, (wait, gather), &mut got).await;
        if let Err(error) = asked {
            // The broker restarted, or lost the consumer or the whole stream: make it again next time.
            debug!(durable = self.durable, error = %error, "pulling again");
            (self.consumer, self.asked) = (None, None);
            if got.is_empty() {
                let pause = Duration::from_millis(500).min(deadline - tokio::time::Instant::now());
                tokio::time::sleep(pause).await;
            }
        }
        got
    }

    async fn try_some(
        &mut self,
        most: usize,
        (wait, gather): (Duration, Duration),
        got: &mut Vec<Message>,
    ) -> Result<()> {
        // What was asked for and did not come yet still comes: a question is heard to its end.
        let mut asked = match self.asked.take() {
            Some(asked) => asked,
            None => self.ask(most, wait).await?,
        };
        // The server ends an empty batch by itself; a little later we give up on a server that is gone.
        let first = tokio::time::timeout(wait + Duration::from_secs(1), asked.next()).await;
        let mut next = first.map_err(BusError::new("pull a message"))?;
        if !gather.is_zero() {
            tokio::time::sleep(gather).await;
        }
        loop {
            match next {
                Some(Ok(message)) => got.push(Message(message)),
                Some(Err(error)) => {
                    return Err(BusError::new("pull a message")(std::io::Error::other(error.to_string())));
                }
                None => return Ok(()),
            }
            if got.len() >= most {
                // All of it came: nothing is left to hear.
                return Ok(());
            }
            match asked.next().now_or_never() {
                Some(more) => next = more,
                None => {
                    self.asked = Some(asked);
                    return Ok(());
                }
            }
        }
    }

    async fn ask(&mut self, most: usize, wait: Duration) -> Result<pull::Batch> {
        let consumer = match &self.consumer {
            Some(consumer) => consumer.clone(),
            None => {
                let made = self.make().await?;
                self.consumer.insert(made).clone()
            }
        };
        let asking = consumer.batch().max_messages(most).expires(wait).messages();
        asking.await.map_err(BusError::new("pull a message"))
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
