//! The least of an HTTP client that costs little beside what is measured: one kept connection, bodies with a length.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

pub(crate) struct Client {
    line: BufReader<TcpStream>,
    host: String,
    more: String,
}

pub(crate) struct Reply {
    pub status: u16,
    pub location: Option<String>,
    pub body: Vec<u8>,
}

impl Client {
    /// `more` are header lines, each with its end of line.
    pub(crate) fn to(host: &str, more: &str) -> Self {
        let stream = TcpStream::connect(host).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Self { line: BufReader::new(stream), host: host.to_owned(), more: more.to_owned() }
    }

    pub(crate) fn with_key(factory: &testkit::Factory) -> Self {
        Self::to(factory.host(), &format!("authorization: Bearer {}\r\n", factory.env("PLATEN_API_KEY")))
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> Reply {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{}\r\n",
            self.host,
            body.len(),
            self.more
        );
        self.line.get_mut().write_all(&[head.as_bytes(), body].concat()).expect("a request is sent");
        let mut status = String::new();
        self.line.read_line(&mut status).expect("an answer");
        let status = status.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        let (mut length, mut location) = (0, None);
        loop {
            let mut line = String::new();
            self.line.read_line(&mut line).expect("a header");
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().expect("a length"),
                "location" => location = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.line.read_exact(&mut body).expect("a body");
        Reply { status, location, body }
    }

    pub(crate) fn json(&mut self, method: &str, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let reply = self.send(method, path, "application/json", body.to_string().as_bytes());
        assert!(
            reply.status < 300,
            "{method} {path}: {} {}",
            reply.status,
            String::from_utf8_lossy(&reply.body)
        );
        serde_json::from_slice(&reply.body).expect("JSON")
    }
}
