//! A process: one service, or all of them.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{Config, Context, relay, telemetry};

/// How long work in hand may take after the first signal.
pub const GRACE: Duration = Duration::from_secs(25);

/// Services that run together: the first that ends ends them all.
#[derive(Debug)]
pub struct Services {
    cx: Context,
    set: JoinSet<(&'static str, Result<()>)>,
}

impl Services {
    /// None yet, but for the outbox relay that every process has.
    pub fn new(cx: Context) -> Self {
        let mut set = JoinSet::new();
        let relay_cx = cx.clone();
        set.spawn(async move {
            relay::run(relay_cx).await;
            ("relay", Ok(()))
        });
        Self { cx, set }
    }

    /// Starts one.
    pub fn start<F, T>(&mut self, name: &'static str, run: F)
    where
        F: FnOnce(Context) -> T,
        T: Future<Output = Result<()>> + Send + 'static,
    {
        let running = run(self.cx.clone());
        self.set.spawn(async move { (name, running.await) });
    }

    /// Runs until a signal, or until one of them ends; then the others finish what they have in hand, within
    /// [`GRACE`]. A second signal does not wait.
    ///
    /// # Errors
    /// The first failure of a service.
    pub async fn run(mut self) -> Result<()> {
        let shutdown = self.cx.shutdown.clone();
        let mut outcome = Ok(());
        tokio::select! {
            ended = self.set.join_next() => outcome = first(ended),
            () = signalled() => info!("stopping: finishing what is in hand"),
            () = shutdown.cancelled() => {}
        }
        shutdown.cancel();
        let drain = async { while self.set.join_next().await.is_some() {} };
        tokio::select! {
            () = drain => {}
            () = tokio::time::sleep(GRACE) => warn!("the grace period is over; imports in hand will be taken over"),
            () = signalled() => warn!("stopping at once"),
        }
        self.cx.bus.flush().await;
        outcome
    }
}

fn first(ended: Option<Result<(&'static str, Result<()>), tokio::task::JoinError>>) -> Result<()> {
    match ended {
        Some(Ok((name, result))) => result.with_context(|| format!("the service {name} failed")),
        Some(Err(error)) => Err(error).context("a service panicked"),
        None => Ok(()),
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn signalled() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        error!("signals cannot be listened to");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// The body of a service's `main`: one service in a process of its own.
///
/// # Errors
/// When it cannot start, or ends with an error.
pub fn main<F, T>(name: &'static str, config: Config, run: F) -> Result<()>
where
    F: FnOnce(Context) -> T,
    T: Future<Output = Result<()>> + Send + 'static,
{
    crate::heaps::few();
    telemetry::init("info");
    install_crypto();
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    runtime.block_on(async {
        let opening = Context::open(config, name, CancellationToken::new());
        // Servers may be away at the start: a signal must end the waiting too.
        let cx = tokio::select! {
            cx = opening => cx?,
            () = signalled() => return Ok(()),
        };
        let mut services = Services::new(cx);
        services.start(name, run);
        services.run().await
    })
}

/// Chooses ring for TLS, once and before anything connects.
pub fn install_crypto() {
    // A second call (in tests) finds it chosen.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
