//! A build log as the stage that speaks sees it.
//!
//! Lines are numbered, batched (50 ms; up to a second while much is said) and published on `log.image.<id>`; each batch is
//! kept here until the stream has it. Secrets known to the import are masked before a line leaves the process.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus::Bus;
use bytes::Bytes;
use db::import::Claim;
use model::log::{LINE_BYTES, Progress, Stage, Stream};
use tokio::sync::{Notify, oneshot};

mod pending;

use pending::Pending;

/// How long a batch waits for more lines.
const LINGER: Duration = Duration::from_millis(50);

/// While batches hold so many lines or more, they leave with the ticks of a clock that every log of the process shares: what
/// it costs to wake the bus, `logbook` and the database is then shared by all of them, and nobody reads that fast.
const TICKS: [(i64, Duration); 2] = [(128, Duration::from_secs(1)), (16, Duration::from_millis(250))];

/// The log of one attempt and stage. Cloning shares it; what was said before the last clone goes is still published.
#[derive(Debug, Clone)]
pub struct JobLog(Arc<Speaker>);

#[derive(Debug)]
struct Speaker {
    heard: Arc<Heard>,
    secrets: Mutex<Vec<String>>,
    bus: Bus,
    image: String,
}

/// What the speaker and the task that publishes share.
#[derive(Debug)]
struct Heard {
    pending: Mutex<Pending>,
    /// There is a first line, a full batch, somebody who waits, or the end.
    changed: Notify,
}

impl JobLog {
    /// Opens the log of a claim.
    pub fn open(bus: Bus, claim: &Claim, stage: Stage) -> Self {
        let heard = Arc::new(Heard {
            pending: Mutex::new(Pending::new(&claim.image, claim.attempt, stage)),
            changed: Notify::new(),
        });
        let name = format!("log.{}.{}.{}", claim.image, claim.attempt, stage.as_str());
        let subject = format!("log.image.{}", claim.image);
        tokio::spawn(publish(bus.clone(), Arc::clone(&heard), subject, name));
        Self(Arc::new(Speaker { heard, secrets: Mutex::default(), bus, image: claim.image.to_string() }))
    }

    /// From now on this secret, and its base64 form, is masked.
    pub fn mask(&self, secret: &str) {
        // Masking very short texts would only garble the log, and tell their length.
        if secret.len() >= 4
            && let Ok(mut secrets) = self.0.secrets.lock()
        {
            secrets.push(secret.to_owned());
            secrets.push(STANDARD.encode(secret).trim_end_matches('=').to_owned());
            // A log has lines: of a key it could only hold those.
            if secret.contains('\n') {
                secrets.extend(secret.lines().filter(|line| line.len() >= 8).map(str::to_owned));
            }
        }
    }

    /// Platen itself says something.
    pub fn say(&self, line: impl Into<String>) {
        self.line(Stream::Platen, &line.into());
    }

    /// Adds text of a stream; it is cut into lines, and long lines are split.
    pub fn line(&self, stream: Stream, text: &str) {
        let text = self.masked(text);
        let mut wake = false;
        let mut pending = self.0.heard.pending();
        for line in text.split('\n') {
            let mut rest = line.strip_suffix('\r').unwrap_or(line);
            loop {
                let (head, tail) = rest.split_at(cut(rest));
                wake |= pending.add(stream, head);
                if tail.is_empty() {
                    break;
                }
                rest = tail;
            }
        }
        drop(pending);
        if wake {
            self.0.heard.changed.notify_one();
        }
    }

    /// Tells how far a layer is, to whoever looks just now.
    pub async fn progress(&self, progress: &Progress) {
        if let Ok(body) = serde_json::to_vec(progress) {
            self.0.bus.say(&format!("progress.image.{}", self.0.image), body.into()).await;
        }
    }

    /// Waits until the stream has every line said so far; answers the number of the last one.
    pub async fn flush(&self) -> i64 {
        let (done, wait) = oneshot::channel();
        self.0.heard.pending().flush(done);
        self.0.heard.changed.notify_one();
        wait.await.unwrap_or(0)
    }

    fn masked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        if let Ok(secrets) = self.0.secrets.lock() {
            for secret in secrets.iter().filter(|s| !s.is_empty()) {
                if text.contains(secret.as_str()) {
                    text = text.replace(secret.as_str(), "***").into();
                }
            }
        }
        text
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.heard.pending().closed = true;
        self.heard.changed.notify_one();
    }
}

impl Heard {
    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cut(line: &str) -> usize {
    if line.len() <= LINE_BYTES {
        return line.len();
    }
    (1..=LINE_BYTES).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(line.len())
}

async fn publish(bus: Bus, heard: Arc<Heard>, subject: String, name: String) {
    let mut wait = None;
    loop {
        let (urgent, empty, closed) = {
            let pending = heard.pending();
            (pending.is_urgent(), pending.is_empty(), pending.closed)
        };
        if empty && closed {
            return;
        }
        if empty && !urgent {
            heard.changed.notified().await;
            continue;
        }
        if !urgent {
            linger(&heard, wait.map_or(LINGER, next_tick)).await;
        }
        let (batch, flushed) = heard.pending().take();
        let last = batch.as_ref().map(|batch| batch.seq + batch.lines - 1);
        if let Some(batch) = batch {
            wait = TICKS.iter().find(|(many, _)| batch.lines >= *many).map(|(_, tick)| *tick);
            let id = format!("{name}.{}", batch.seq);
            send(&bus, &subject, &id, batch.body).await;
        }
        for (done, end) in flushed {
            let _ = done.send(last.unwrap_or(end).max(end));
        }
    }
}

/// Waits for more lines, unless there is reason not to wait.
async fn linger(heard: &Heard, time: Duration) {
    let until = tokio::time::sleep(time);
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return,
            () = heard.changed.notified() => if heard.pending().is_urgent() { return },
        }
    }
}

fn next_tick(tick: Duration) -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let tick = tick.as_micros().max(1);
    let left = tick - BEGAN.elapsed().as_micros() % tick;
    Duration::from_micros(u64::try_from(left).unwrap_or_default())
}

async fn send(bus: &Bus, subject: &str, id: &str, body: Bytes) {
    let mut pause = Duration::from_millis(100);
    while let Err(error) = bus.publish(subject, Some(id), "application/json", body.clone()).await {
        tracing::debug!(subject, error = %error, "log lines wait for the bus");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}
