//! Streams, subjects at run time and acknowledgements: the only room that says async_nats.
//!
//! NATS is the doorbell, not the truth. A lost, late, doubled or shuffled message costs at most a few seconds, since
//! every worker also looks for work by the clock. Everything here works on nats-server 2.9 and newer.

use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use futures::{Stream, StreamExt};

mod error;
mod pull;
mod streams;

pub use error::{BusError, Result};
pub use pull::{Message, Pull};

/// The stream that keeps `image.>`.
pub const IMAGES: &str = "IMAGES";
/// The stream that keeps `log.>`.
pub const LOGS: &str = "LOGS";
/// The stream that keeps `dlq.>`.
pub const DLQ: &str = "DLQ";

/// A connection to the bus. It comes back by itself after an outage.
#[derive(Debug, Clone)]
pub struct Bus {
    client: async_nats::Client,
    jetstream: jetstream::Context,
}

impl Bus {
    /// Connects; a server that is away is tried again for as long as it takes.
    ///
    /// # Errors
    /// When the URL is not one of a NATS server.
    pub async fn connect(url: &str, name: &str) -> Result<Self> {
        let server: async_nats::ServerAddr = url.parse().map_err(BusError::new("connect"))?;
        let mut options = async_nats::ConnectOptions::new();
        // The crate takes no login from the URL it is given.
        if let (Some(user), Some(password)) = (server.username(), server.password()) {
            options = options.user_and_password(user.to_owned(), password.to_owned());
        }
        let client = options
            .name(name)
            .ping_interval(Duration::from_secs(10))
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(|tries| {
                Duration::from_millis(50).saturating_mul(1 << tries.min(6)).min(Duration::from_secs(2))
            })
            .connect(server)
            .await
            .map_err(BusError::new("connect"))?;
        let jetstream = jetstream::new(client.clone());
        Ok(Self { client, jetstream })
    }

    /// Is there a connection just now?
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Makes the streams, or brings them to what they should be. Waits for the server first.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn ensure_streams(&self) -> Result<()> {
        while !self.is_connected() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for config in streams::all() {
            self.jetstream.create_or_update_stream(config).await.map_err(BusError::new("create a stream"))?;
        }
        Ok(())
    }

    /// Publishes and waits until the stream has it. The same `id` twice within two minutes is kept once.
    ///
    /// # Errors
    /// When no acknowledgement came: it may or may not have been kept.
    pub async fn publish(
        &self,
        subject: &str,
        id: Option<&str>,
        content_type: &str,
        body: Bytes,
    ) -> Result<()> {
        let mut message = PublishMessage::build().payload(body).header("content-type", content_type);
        if let Some(id) = id {
            message = message.message_id(id);
        }
        let ack = self
            .jetstream
            .send_publish(subject.to_owned(), message)
            .await
            .map_err(BusError::new("publish"))?;
        ack.await.map_err(BusError::new("publish"))?;
        Ok(())
    }

    /// Says something that nobody needs to hear: no stream keeps it.
    pub async fn say(&self, subject: &str, body: Bytes) {
        // Losing it is allowed, so is not being connected.
        let _ = self.client.publish(subject.to_owned(), body).await;
    }

    /// Listens to a subject as it is spoken on, kept or not.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn listen(&self, subject: &str) -> Result<impl Stream<Item = Bytes> + Send + use<>> {
        let heard = self.client.subscribe(subject.to_owned()).await.map_err(BusError::new("subscribe"))?;
        // The subscription must be at the server before the caller reads what was kept so far.
        self.client.flush().await.map_err(BusError::new("subscribe"))?;
        Ok(heard.map(|message| message.payload))
    }

    /// A durable consumer of one subject of a stream, shared by every copy of a service.
    pub fn pull(&self, stream: &'static str, durable: &str, subject: &str) -> Pull {
        Pull::new(self.jetstream.clone(), stream, durable, subject)
    }

    /// Sends what is still in the buffers.
    pub async fn flush(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(2), self.client.flush()).await;
    }
}
