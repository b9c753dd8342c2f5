//! Server-Sent Events, and how a follower waits without missing anything.

use std::pin::Pin;
use std::time::Duration;

use bus::Bus;
use bytes::Bytes;
use futures::{Stream, StreamExt};

/// Looks at least this often, whether a bell rang or not.
const LOOK: Duration = Duration::from_secs(1);

/// Something heard on a subject, or the time to look again.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message.
    Message(Bytes),
    /// Nothing came for a while.
    Nothing,
}

/// An ear on a subject. Without a bus it only counts the time.
pub(crate) struct Ear(Option<Pin<Box<dyn Stream<Item = Bytes> + Send>>>);

impl Ear {
    /// Listens from now on.
    pub(crate) async fn on(bus: &Bus, subject: &str) -> Self {
        let listening = tokio::time::timeout(Duration::from_secs(1), bus.listen(subject));
        Self(match listening.await {
            Ok(Ok(stream)) => Some(Box::pin(stream)),
            _ => None,
        })
    }

    /// Waits for a message, but not long.
    pub(crate) async fn wait(&mut self) -> Heard {
        let Some(stream) = &mut self.0 else {
            tokio::time::sleep(LOOK).await;
            return Heard::Nothing;
        };
        match tokio::time::timeout(LOOK, stream.next()).await {
            Ok(Some(message)) => Heard::Message(message),
            Ok(None) => {
                self.0 = None;
                Heard::Nothing
            }
            Err(_) => Heard::Nothing,
        }
    }
}
