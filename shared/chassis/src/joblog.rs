//! A build log as the stage that speaks sees it.
//!
//! Lines are numbered, batched (50 ms, or 250 ms while much is said) and published on `log.image.<id>`; each batch is kept here until
//! the stream has it. Secrets known to the import are masked before a line leaves the process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus::Bus;
use chrono::Utc;
use db::import::Claim;
use model::log::{BATCH_BYTES, BATCH_LINES, Batch, LINE_BYTES, Line, Progress, Stage, Stream};
use tokio::sync::{mpsc, oneshot};

/// How long a batch waits for more lines.
const LINGER: Duration = Duration::from_millis(50);

/// How long it waits while batches hold [`MANY`] lines or more: what a batch costs is then shared by more of them, and
/// nobody reads that fast.
const LINGER_LONG: Duration = Duration::from_millis(250);
const MANY: usize = 16;

enum Said {
    Line(Line),
    Flush(oneshot::Sender<i64>),
}

/// The log of one attempt and stage. Cloning shares it.
#[derive(Debug, Clone)]
pub struct JobLog {
    said: mpsc::UnboundedSender<Said>,
    secrets: Arc<Mutex<Vec<String>>>,
    bus: Bus,
    image: Arc<str>,
}

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Said")
    }
}

impl JobLog {
    /// Opens the log of a claim.
    pub fn open(bus: Bus, claim: &Claim, stage: Stage) -> Self {
        let (said, heard) = mpsc::unbounded_channel();
        let batch =
            Batch { image: claim.image.clone(), attempt: claim.attempt, stage, seq: 1, lines: Vec::new() };
        tokio::spawn(publish(bus.clone(), batch, heard));
        Self { said, secrets: Arc::default(), bus, image: claim.image.as_str().into() }
    }

    /// From now on this secret, and its base64 form, is masked.
    pub fn mask(&self, secret: &str) {
        // Masking very short texts would only garble the log, and tell their length.
        if secret.len() >= 4
            && let Ok(mut secrets) = self.secrets.lock()
        {
            secrets.push(secret.to_owned());
            secrets.push(STANDARD.encode(secret).trim_end_matches('=').to_owned());
        }
    }

    /// Platen itself says something.
    pub fn say(&self, line: impl Into<String>) {
        self.line(Stream::Platen, &line.into());
    }

    /// Adds text of a stream; it is cut into lines, and long lines are split.
    pub fn line(&self, stream: Stream, text: &str) {
        let text = self.masked(text);
        for line in text.split('\n') {
            let mut rest = line.strip_suffix('\r').unwrap_or(line);
            loop {
                let (head, tail) = rest.split_at(cut(rest));
                let line = Line { time: Utc::now(), stream, line: head.to_owned() };
                // The other end goes away only with the process.
                let _ = self.said.send(Said::Line(line));
                if tail.is_empty() {
                    break;
                }
                rest = tail;
            }
        }
    }

    /// Tells how far a layer is, to whoever looks just now.
    pub async fn progress(&self, progress: &Progress) {
        if let Ok(body) = serde_json::to_vec(progress) {
            self.bus.say(&format!("progress.image.{}", self.image), body.into()).await;
        }
    }

    /// Waits until the stream has every line said so far; answers the number of the last one.
    pub async fn flush(&self) -> i64 {
        let (done, wait) = oneshot::channel();
        if self.said.send(Said::Flush(done)).is_err() {
            return 0;
        }
        wait.await.unwrap_or(0)
    }

    fn masked(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Ok(secrets) = self.secrets.lock() {
            for secret in secrets.iter().filter(|s| !s.is_empty()) {
                if text.contains(secret.as_str()) {
                    text = text.replace(secret.as_str(), "***");
                }
            }
        }
        text
    }
}

fn cut(line: &str) -> usize {
    if line.len() <= LINE_BYTES {
        return line.len();
    }
    (1..=LINE_BYTES).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(line.len())
}

async fn publish(bus: Bus, mut batch: Batch, mut heard: mpsc::UnboundedReceiver<Said>) {
    let mut linger = LINGER;
    while let Some(said) = heard.recv().await {
        let flush = match said {
            Said::Line(line) => {
                batch.lines.push(line);
                fill(&mut batch, &mut heard, linger).await
            }
            Said::Flush(done) => Some(done),
        };
        linger = if batch.lines.len() >= MANY { LINGER_LONG } else { LINGER };
        send(&bus, &mut batch).await;
        if let Some(done) = flush {
            let _ = done.send(batch.seq - 1);
        }
    }
}

/// Waits a moment for more lines, so that a noisy build costs little.
async fn fill(
    batch: &mut Batch,
    heard: &mut mpsc::UnboundedReceiver<Said>,
    linger: Duration,
) -> Option<oneshot::Sender<i64>> {
    let linger = tokio::time::sleep(linger);
    tokio::pin!(linger);
    let mut bytes = batch.lines.iter().map(|line| line.line.len()).sum::<usize>();
    while batch.lines.len() < BATCH_LINES && bytes < BATCH_BYTES {
        tokio::select! {
            biased;
            said = heard.recv() => match said {
                Some(Said::Line(line)) => {
                    bytes += line.line.len();
                    batch.lines.push(line);
                }
                Some(Said::Flush(done)) => return Some(done),
                None => return None,
            },
            () = &mut linger => return None,
        }
    }
    None
}

async fn send(bus: &Bus, batch: &mut Batch) {
    if batch.lines.is_empty() {
        return;
    }
    let subject = format!("log.image.{}", batch.image);
    let id = format!("log.{}.{}.{}.{}", batch.image, batch.attempt, batch.stage.as_str(), batch.seq);
    if let Ok(body) = serde_json::to_vec(batch) {
        let body = bytes::Bytes::from(body);
        let mut pause = Duration::from_millis(100);
        while let Err(error) = bus.publish(&subject, Some(&id), "application/json", body.clone()).await {
            tracing::debug!(image.id = %batch.image, error = %error, "log lines wait for the bus");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
    batch.seq += i64::try_from(batch.lines.len()).unwrap_or(0);
    batch.lines.clear();
}
