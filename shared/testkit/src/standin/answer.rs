//! What a stand-in answers: any bytes, at any pace.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Line;

/// An answer.
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    /// What `Content-Length` says; none is sent when absent.
    length: Option<String>,
    body: Vec<u8>,
    /// Bytes of the body that are sent; the connection ends after them.
    sent: usize,
    pace: Option<(usize, Duration)>,
    /// Sent before anything else; the rest follows only if it is empty.
    raw: Option<Raw>,
}

type Raw = Box<dyn FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> + Send>;

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl Answer {
    /// A status and a body, with its right length.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self {
            status,
            headers: Vec::new(),
            length: Some(body.len().to_string()),
            sent: body.len(),
            body,
            pace: None,
            raw: None,
        }
    }

    /// A redirect.
    pub fn redirect(status: u16, to: &str) -> Self {
        Self::new(status, "").header("location", to)
    }

    /// 401 with a challenge.
    pub fn challenge(challenge: &str) -> Self {
        Self::new(401, "").header("www-authenticate", challenge)
    }

    /// Whatever is written, byte for byte, until it is over or nobody listens.
    pub fn raw(
        write: impl FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> + Send + 'static,
    ) -> Self {
        Self { raw: Some(Box::new(write)), ..Self::new(200, "") }
    }

    /// Adds a header, or another one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a header out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    /// Another `Content-Length` than the right one.
    #[must_use]
    pub fn length(mut self, length: impl ToString) -> Self {
        self.length = Some(length.to_string());
        self
    }

    /// No `Content-Length`: the body ends with the connection.
    #[must_use]
    pub fn endless(mut self) -> Self {
        self.length = None;
        self
    }

    /// Only so many bytes of the body, then the connection ends.
    #[must_use]
    pub fn cut(mut self, sent: usize) -> Self {
        self.sent = sent.min(self.body.len());
        self
    }

    /// The body in pieces of so many bytes, with a pause before each.
    #[must_use]
    pub fn pace(mut self, bytes: usize, pause: Duration) -> Self {
        self.pace = Some((bytes, pause));
        self
    }

    pub(super) fn send(self, line: &mut dyn Line, head_only: bool, ended: &AtomicBool) -> io::Result<()> {
        let mut write = |bytes: &[u8]| {
            if ended.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            line.write_all(bytes)?;
            line.flush()
        };
        if let Some(raw) = self.raw {
            return raw(&mut write);
        }
        let mut head = Vec::new();
        write!(head, "HTTP/1.1 {} X\r\nconnection: close\r\n", self.status)?;
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        if let Some(length) = &self.length {
            write!(head, "content-length: {length}\r\n")?;
        }
        head.extend_from_slice(b"\r\n");
        write(&head)?;
        if head_only {
            return Ok(());
        }
        let body = self.body.get(..self.sent).unwrap_or_default();
        let Some((bytes, pause)) = self.pace else { return write(body) };
        for piece in body.chunks(bytes) {
            thread::sleep(pause);
            write(piece)?;
        }
        Ok(())
    }
}
