//! Bodies, read with an eye on the clock.
//!
//! Only time spent waiting for the registry counts. A reader that is slow itself, because a disk is, does not make
//! the registry slow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reqwest::Response;

use super::door::chain;
use super::send::host_of;
use super::{Patience, RegistryError};

/// A body that is coming in.
pub(super) struct Body {
    response: Response,
    host: String,
    patience: Arc<Patience>,
    pub(super) speed: Speed,
}

/// What came over how much time spent waiting. It goes on from one body of a blob to the next: a registry that cuts
/// every connection in time gains nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Speed {
    waited: Duration,
    received: u64,
}

/// Why a body stopped before its end.
pub(super) enum Broken {
    /// The connection ended or fell silent: the rest may be had by asking again.
    Cut(RegistryError),
    /// Bytes keep coming, too few of them: asking again would only take longer.
    Slow(RegistryError),
}

impl From<Broken> for RegistryError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Cut(error) | Broken::Slow(error) => error,
        }
    }
}

impl Body {
    pub(super) fn new(response: Response, patience: Arc<Patience>) -> Self {
        let host = host_of(response.url());
        Self { response, host, patience, speed: Speed::default() }
    }

    /// Goes on with the speed of the body before it.
    pub(super) fn after(mut self, speed: Speed) -> Self {
        self.speed = speed;
        self
    }

    /// The length the registry promised, in bytes.
    pub(super) fn promised(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        let started = Instant::now();
        let silence = self.patience.silence;
        let next = tokio::time::timeout(silence, self.response.chunk()).await;
        self.speed.waited += started.elapsed();
        match next {
            Err(_) => {
                Err(Broken::Cut(RegistryError::timeout(&self.host, format!("no byte came for {silence:?}"))))
            }
            Ok(Err(error)) => {
                let why = format!("the connection broke: {}", chain(&error.without_url()));
                Err(Broken::Cut(RegistryError::Unreachable { host: self.host.clone(), why }))
            }
            Ok(Ok(None)) => Ok(None),
            Ok(Ok(Some(bytes))) => {
                self.speed.received += bytes.len() as u64;
                self.check_speed()?;
                Ok(Some(bytes))
            }
        }
    }

    fn check_speed(&mut self) -> Result<(), Broken> {
        let (window, floor) = (self.patience.slow_window, self.patience.slow_floor);
        let Speed { waited, received } = self.speed;
        if waited < window {
            return Ok(());
        }
        if (received as f64) < floor as f64 * waited.as_secs_f64() {
            let why = format!("{received} bytes came over {waited:.1?}, less than {floor} a second");
            return Err(Broken::Slow(RegistryError::TooSlow { host: self.host.clone(), why }));
        }
        self.speed = Speed::default();
        Ok(())
    }
}

/// A whole body of at most `max` bytes; `None` when it is larger.
///
/// # Errors
/// `registry.timeout`, `registry.too_slow`, `registry.unreachable`.
pub(super) async fn read_all(
    response: Response,
    max: u64,
    patience: &Arc<Patience>,
) -> Result<Option<Bytes>, RegistryError> {
    let mut body = Body::new(response, patience.clone());
    if body.promised().is_some_and(|length| length > max) {
        return Ok(None);
    }
    let mut all = BytesMut::new();
    while let Some(bytes) = body.chunk().await? {
        if (all.len() + bytes.len()) as u64 > max {
            return Ok(None);
        }
        all.extend_from_slice(&bytes);
    }
    Ok(Some(all.freeze()))
}
