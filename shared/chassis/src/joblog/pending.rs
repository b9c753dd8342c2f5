//! Lines on their way to the bus, in the form they travel in: put together as they are said, so that none is copied twice.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use model::ImageId;
use model::log::{BATCH_BYTES, BATCH_LINES, Stage, Stream};
use serde::Serialize;
use tokio::sync::oneshot;

/// A message to be published: the JSON of a [`model::log::Batch`].
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) seq: i64,
    pub(super) lines: i64,
    pub(super) body: Bytes,
}

/// Who waits until the lines up to a number are published.
type Waiter = (oneshot::Sender<i64>, i64);

#[derive(Debug)]
pub(super) struct Pending {
    head: Head,
    /// The lines of the batch that grows, comma-separated.
    text: Vec<u8>,
    lines: usize,
    bytes: usize,
    full: VecDeque<Ready>,
    waiters: Vec<Waiter>,
    clock: Clock,
    /// Nobody speaks any more.
    pub(super) closed: bool,
}

#[derive(Debug, Serialize)]
struct Head {
    image: ImageId,
    attempt: i64,
    stage: Stage,
    seq: i64,
}

#[derive(Serialize)]
struct Said<'a> {
    time: &'a str,
    stream: Stream,
    line: &'a str,
}

/// The time as text, made once a millisecond.
#[derive(Debug, Default)]
struct Clock {
    at: i64,
    text: String,
}

impl Clock {
    fn now(&mut self) -> &str {
        let now: DateTime<Utc> = Utc::now();
        if self.at != now.timestamp_millis() {
            self.at = now.timestamp_millis();
            self.text = now.to_rfc3339_opts(SecondsFormat::Millis, true);
        }
        &self.text
    }
}

impl Pending {
    pub(super) fn new(image: &ImageId, attempt: i64, stage: Stage) -> Self {
        Self {
            head: Head { image: image.clone(), attempt, stage, seq: 1 },
            text: Vec::new(),
            lines: 0,
            bytes: 0,
            full: VecDeque::new(),
            waiters: Vec::new(),
            clock: Clock::default(),
            closed: false,
        }
    }

    /// Adds a line; whether whoever publishes should know.
    pub(super) fn add(&mut self, stream: Stream, line: &str) -> bool {
        if self.lines > 0 {
            self.text.push(b',');
        }
        let said = Said { time: self.clock.now(), stream, line };
        // Text always has a JSON form, and a vector takes every byte.
        let _ = serde_json::to_writer(&mut self.text, &said);
        self.lines += 1;
        self.bytes += line.len();
        let full = self.lines >= BATCH_LINES || self.bytes >= BATCH_BYTES;
        if full {
            self.close_batch();
        }
        full || (self.lines == 1 && self.full.is_empty())
    }

    /// Whether something should be published now rather than later.
    pub(super) fn is_urgent(&self) -> bool {
        self.closed || !self.full.is_empty() || !self.waiters.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines == 0 && self.full.is_empty() && self.waiters.is_empty()
    }

    /// Tells when all lines so far are published.
    pub(super) fn flush(&mut self, done: oneshot::Sender<i64>) {
        let end = self.head.seq - 1 + self.lines as i64;
        self.waiters.push((done, end));
    }

    /// The next message, and those who wait for no more than that.
    pub(super) fn take(&mut self) -> (Option<Ready>, Vec<Waiter>) {
        if self.full.is_empty() && self.lines > 0 {
            self.close_batch();
        }
        let ready = self.full.pop_front();
        let until = match &ready {
            Some(ready) => ready.seq + ready.lines - 1,
            None => self.head.seq - 1,
        };
        let waiters = mem::take(&mut self.waiters);
        let (done, wait) = waiters.into_iter().partition(|(_, end)| *end <= until);
        self.waiters = wait;
        (ready, done)
    }

    fn close_batch(&mut self) {
        let text = mem::take(&mut self.text);
        let (seq, lines) = (self.head.seq, mem::take(&mut self.lines) as i64);
        self.bytes = 0;
        let mut body = serde_json::to_vec(&self.head).unwrap_or_default();
        body.pop();
        body.extend_from_slice(b",\"lines\":[");
        body.extend_from_slice(&text);
        body.extend_from_slice(b"]}");
        self.head.seq += lines;
        self.full.push_back(Ready { seq, lines, body: body.into() });
        // The next batch will be about as long.
        self.text.reserve(text.len());
    }
}

#[cfg(test)]
mod tests {
    use model::log::Batch;

    use super::*;

    fn batch(ready: &Ready) -> Batch {
        serde_json::from_slice(&ready.body).unwrap()
    }

    #[test]
    fn messages_are_batches_whose_lines_count_up() {
        let image = ImageId::new();
        let mut pending = Pending::new(&image, 3, Stage::Factory);
        assert!(pending.add(Stream::Stdout, "a \"quote\"\u{1b}[0m"), "the first line wakes");
        assert!(!pending.add(Stream::Stderr, ""));
        let (ready, _) = pending.take();
        let first = batch(&ready.unwrap());
        assert_eq!((&first.image, first.attempt, first.stage, first.seq), (&image, 3, Stage::Factory, 1));
        let lines: Vec<_> = first.lines.iter().map(|l| (l.stream, l.line.as_str())).collect();
        assert_eq!(lines, [(Stream::Stdout, "a \"quote\"\u{1b}[0m"), (Stream::Stderr, "")]);
        for _ in 0..=BATCH_LINES {
            pending.add(Stream::Platen, "x");
        }
        let sizes = [pending.take().0.unwrap(), pending.take().0.unwrap()].map(|r| (r.seq, r.lines));
        assert_eq!(sizes, [(3, BATCH_LINES as i64), (3 + BATCH_LINES as i64, 1)]);
        assert!(pending.take().0.is_none() && pending.is_empty());
    }

    #[test]
    fn who_waits_is_told_when_the_last_line_so_far_is_out() {
        let mut pending = Pending::new(&ImageId::new(), 1, Stage::Resolver);
        let flush = |pending: &mut Pending| pending.flush(oneshot::channel().0);
        flush(&mut pending);
        assert_eq!(pending.take().1.len(), 1, "nothing was said");
        pending.add(Stream::Platen, &"x".repeat(BATCH_BYTES));
        pending.add(Stream::Platen, "y");
        flush(&mut pending);
        assert!(pending.is_urgent());
        assert_eq!(pending.take().1.len(), 0, "the first of two messages");
        let (ready, done) = pending.take();
        assert_eq!((ready.unwrap().seq, done.len(), done[0].1), (2, 1, 2));
    }
}
