//! Reading Server-Sent Events (HTML standard, section 9.2) from a response.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use reqwest::Response;
use tokio_util::bytes::Bytes;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name.
    pub(crate) name: String,
    /// Its id.
    pub(crate) id: String,
    /// Its data.
    pub(crate) data: String,
}

/// The events of a response.
pub(crate) struct Events {
    bytes: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    parser: Parser,
}

#[derive(Debug, Default)]
struct Parser {
    buffer: Vec<u8>,
    event: Event,
}

impl Events {
    /// Reads a response's body.
    pub(crate) fn new(response: Response) -> Self {
        Self { bytes: Box::pin(response.bytes_stream()), parser: Parser::default() }
    }
}

impl Stream for Events {
    type Item = reqwest::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.parser.next() {
                return Poll::Ready(Some(Ok(event)));
            }
            match self.bytes.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => self.parser.buffer.extend_from_slice(&bytes),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Parser {
    /// The next whole event in the buffer.
    fn next(&mut self) -> Option<Event> {
        while let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if event != Event::default() {
                    return Some(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.event.name),
                "id" => value.clone_into(&mut self.event.id),
                "data" => {
                    if !self.event.data.is_empty() {
                        self.event.data.push('\n');
                    }
                    self.event.data.push_str(value);
                }
                // A comment, which keeps the connection alive.
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_across_pieces() {
        let mut parser = Parser::default();
        parser.buffer.extend_from_slice(b": keep alive\n\nevent: line\r\nid: 7\ndata: {\"a\"");
        assert_eq!(parser.next(), None);
        parser.buffer.extend_from_slice(b":1}\ndata:more\n\nevent: end\n\n");
        let event = parser.next().unwrap();
        assert_eq!(
            (event.name.as_str(), event.id.as_str(), event.data.as_str()),
            ("line", "7", "{\"a\":1}\nmore")
        );
        assert_eq!(parser.next().unwrap().name, "end");
        assert_eq!(parser.next(), None);
    }
}
