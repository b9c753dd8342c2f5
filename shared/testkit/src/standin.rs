//! A stand-in for a registry that lies: a small HTTP/1.1 server on threads that keeps to nothing it is not told to.
//!
//! ```no_run
//! # use testkit::{Answer, Image, Shelf, Standin};
//! let shelf = Shelf::new().image("1", &Image::new().layer(|l| l.file("a", "1")));
//! let liar = Standin::start(move |seen| match seen.path.contains("/blobs/") {
//!     true => Answer::new(200, "not the blob"),
//!     false => shelf.answer(seen),
//! });
//! assert!(liar.seen().is_empty());
//! ```

use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

mod answer;
mod shelf;
mod tls;

pub use answer::Answer;
pub use shelf::Shelf;

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `GET`, `HEAD`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, their names in lower case.
    pub headers: HashMap<String, String>,
    /// What followed them.
    pub body: Vec<u8>,
    /// How many requests came before it.
    pub before: usize,
}

impl Seen {
    /// A header, if it was sent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Where a `Range` header wants to begin.
    pub fn from(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What a connection is, with TLS or without.
pub(crate) trait Line: Read + Write {}
impl<T: Read + Write> Line for T {}

/// A running stand-in. It answers one request a connection, and ends when it is dropped.
pub struct Standin {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    certificate: Option<String>,
}

impl fmt::Debug for Standin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Standin({})", self.address)
    }
}

impl Standin {
    /// Starts one that answers so, in plain HTTP.
    pub fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::on(answer, None)
    }

    /// Starts one with TLS; [`Standin::certificate`] is what to trust.
    pub fn tls(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::on(answer, Some(tls::Identity::new()))
    }

    fn on(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static, tls: Option<tls::Identity>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let (seen, stop) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::<AtomicBool>::default());
        let certificate = tls.as_ref().map(|tls| tls.certificate.clone());
        let (answer, notes, ended) = (Arc::new(answer), Arc::clone(&seen), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let (answer, notes, ended) = (Arc::clone(&answer), Arc::clone(&notes), Arc::clone(&ended));
                let tls = tls.clone();
                thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
                    match tls {
                        Some(tls) => tls.serve(stream, |line| converse(line, &*answer, &notes, &ended)),
                        None => converse(&mut { stream }, &*answer, &notes, &ended),
                    }
                });
            }
        });
        Self { address, seen, stop, thread: Some(thread), certificate }
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its certificate (PEM), if it has one: for 127.0.0.1 and localhost.
    pub fn certificate(&self) -> &str {
        self.certificate.as_deref().unwrap_or_default()
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics in it").clone()
    }

    /// How many requests went to a path that contains this.
    pub fn asked(&self, part: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path.contains(part)).count()
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn converse(
    line: &mut dyn Line,
    answer: &dyn Fn(&Seen) -> Answer,
    notes: &Mutex<Vec<Seen>>,
    ended: &AtomicBool,
) {
    let Some(mut request) = read_head(line) else { return };
    let Some(body) = read_body(line, &request) else { return };
    request.body = body;
    {
        let mut notes = notes.lock().expect("no test panics in it");
        request.before = notes.len();
        notes.push(request.clone());
    }
    // Whoever asked may leave at any time.
    let _ = answer(&request).send(line, request.method == "HEAD", ended);
}

fn read_head(line: &mut dyn Line) -> Option<Seen> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 64 << 10 || line.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Seen { method, path, headers, body: Vec::new(), before: 0 })
}

fn read_body(line: &mut dyn Line, head: &Seen) -> Option<Vec<u8>> {
    let mut exactly = |length: usize| {
        let mut bytes = vec![0; length];
        line.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    if head.header("transfer-encoding") != Some("chunked") {
        return exactly(head.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0));
    }
    let mut body = Vec::new();
    loop {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.extend(exactly(1)?);
        }
        let size = usize::from_str_radix(String::from_utf8_lossy(&size).trim(), 16).ok()?;
        body.extend(exactly(size)?);
        exactly(2)?;
        if size == 0 {
            return Some(body);
        }
    }
}

/// Something on the loopback that is not to be talked to: it counts who tries.
#[derive(Debug)]
pub struct Trap {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Trap {
    /// Listens.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let (connections, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, ended) = (Arc::clone(&connections), Arc::clone(&stop));
        thread::spawn(move || {
            while listener.accept().is_ok() && !ended.load(Ordering::SeqCst) {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, connections, stop }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Nobody has connected.
    pub fn assert_untouched(&self) {
        let connections = self.connections.load(Ordering::SeqCst);
        assert_eq!(connections, 0, "somebody connected to {}", self.address);
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}
