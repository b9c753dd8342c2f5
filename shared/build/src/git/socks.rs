//! Git's only way to a web server: a SOCKS proxy (RFC 1928) that looks names up itself and dials what the policy admits.
//!
//! Git follows redirects on its own and would dial whatever they name. Through this it reaches nothing that the guard
//! keeps closed, and as the name is looked up here, once, one that answers differently the second time gains nothing.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::guard::{Closed, Guard};

/// A running proxy. It ends when it is dropped, and its connections with it.
#[derive(Debug)]
pub(super) struct Socks {
    /// As `http.proxy` takes it. Only who knows the password in it is served.
    pub(super) url: String,
    seen: Arc<Seen>,
    _task: AbortOnDropHandle<()>,
}

/// What went wrong, which git's own words do not tell.
#[derive(Debug, Default)]
struct Seen {
    blocked: AtomicBool,
    unreachable: AtomicBool,
}

impl Socks {
    /// Listens on the loopback.
    pub(super) async fn start(guard: Guard) -> io::Result<Self> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        let password = hex::encode(secret);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("socks5h://platen:{password}@{}", listener.local_addr()?);
        let seen = Arc::<Seen>::default();
        let (guard, notes) = (Arc::new(guard), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((line, _)) = listener.accept().await {
                while lines.try_join_next().is_some() {}
                let (guard, notes, password) = (Arc::clone(&guard), Arc::clone(&notes), password.clone());
                lines.spawn(async move {
                    // Whichever side hangs up, the other one is told by the end of the line.
                    let _ = serve(line, &guard, &notes, &password).await;
                });
            }
        });
        Ok(Self { url, seen, _task: AbortOnDropHandle::new(task) })
    }

    /// Why a connection was not made, if one was not.
    pub(super) fn closed(&self) -> Option<Closed> {
        if self.seen.blocked.load(Ordering::SeqCst) {
            return Some(Closed::Blocked);
        }
        self.seen.unreachable.load(Ordering::SeqCst).then_some(Closed::Unreachable)
    }
}

const VERSION: u8 = 5;
const BY_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;

const DONE: u8 = 0;
const FAILED: u8 = 1;
const NOT_ALLOWED: u8 = 2;
const HOST_UNREACHABLE: u8 = 4;
const NO_SUCH_COMMAND: u8 = 7;
const NO_SUCH_ADDRESS: u8 = 8;

async fn serve(mut line: TcpStream, guard: &Guard, seen: &Seen, password: &str) -> io::Result<()> {
    greet(&mut line, password).await?;
    let (host, port) = match request(&mut line).await? {
        Ok(place) => place,
        Err(reply) => return answer(&mut line, reply).await,
    };
    match guard.dial(&host, port).await {
        Ok(mut server) => {
            answer(&mut line, DONE).await?;
            tokio::io::copy_bidirectional(&mut line, &mut server).await?;
            Ok(())
        }
        Err(Closed::Blocked) => {
            seen.blocked.store(true, Ordering::SeqCst);
            answer(&mut line, NOT_ALLOWED).await
        }
        Err(Closed::Unreachable) => {
            seen.unreachable.store(true, Ordering::SeqCst);
            answer(&mut line, HOST_UNREACHABLE).await
        }
    }
}

/// The method and the password (RFC 1929).
async fn greet(line: &mut TcpStream, password: &str) -> io::Result<()> {
    let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
    if line.read_u8().await? != VERSION {
        return Err(refused());
    }
    let methods = counted(line).await?;
    if !methods.contains(&BY_PASSWORD) {
        line.write_all(&[VERSION, NO_METHOD]).await?;
        return Err(refused());
    }
    line.write_all(&[VERSION, BY_PASSWORD]).await?;
    line.read_u8().await?;
    let _user = counted(line).await?;
    let given = counted(line).await?;
    let differ = given.iter().zip(password.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    if given.len() != password.len() || differ != 0 {
        line.write_all(&[1, FAILED]).await?;
        return Err(refused());
    }
    line.write_all(&[1, DONE]).await
}

/// Where to; or what to answer instead.
async fn request(line: &mut TcpStream) -> io::Result<Result<(String, u16), u8>> {
    let mut head = [0; 4];
    line.read_exact(&mut head).await?;
    let [_, command, _, kind] = head;
    let host = match kind {
        1 => Ipv4Addr::from(line.read_u32().await?).to_string(),
        3 => match String::from_utf8(counted(line).await?) {
            Ok(name) => name,
            Err(_) => return Ok(Err(FAILED)),
        },
        4 => Ipv6Addr::from(line.read_u128().await?).to_string(),
        _ => return Ok(Err(NO_SUCH_ADDRESS)),
    };
    let port = line.read_u16().await?;
    Ok(if command == CONNECT { Ok((host, port)) } else { Err(NO_SUCH_COMMAND) })
}

/// The bound address is of no interest to anybody.
async fn answer(line: &mut TcpStream, reply: u8) -> io::Result<()> {
    line.write_all(&[VERSION, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await
}

/// Bytes after their number.
async fn counted(line: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(line.read_u8().await?)];
    line.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::registry::NetworkPolicy;

    async fn proxy(named: u16) -> Socks {
        let host = "127.0.0.1".to_owned();
        let guard = Guard { policy: NetworkPolicy::embedded(), host, port: named, plain: true };
        Socks::start(guard).await.unwrap()
    }

    async fn ask(socks: &Socks, password: &str, port: u16) -> io::Result<u8> {
        let address = socks.url.rsplit('@').next().unwrap();
        let mut line = TcpStream::connect(address).await?;
        line.write_all(&[5, 2, 0, 2]).await?;
        line.read_exact(&mut [0; 2]).await?;
        let size = u8::try_from(password.len()).unwrap();
        line.write_all(&[&[1, 1, b'u', size][..], password.as_bytes()].concat()).await?;
        line.read_exact(&mut [0; 2]).await?;
        line.write_all(&[&[5, 1, 0, 3, 9][..], b"127.0.0.1", &port.to_be_bytes()].concat()).await?;
        let mut reply = [0; 10];
        line.read_exact(&mut reply).await?;
        Ok(reply[1])
    }

    #[tokio::test]
    async fn only_what_was_named_and_only_for_us() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let socks = proxy(port).await;
        let password = socks.url.split([':', '@']).nth(2).unwrap().to_owned();
        assert_eq!(ask(&socks, &password, port).await.unwrap(), DONE);
        assert_eq!(socks.closed(), None);
        for wrong in ["", "x", &"0".repeat(32)] {
            assert!(ask(&socks, wrong, port).await.is_err());
        }
        assert_eq!(ask(&socks, &password, trap.local_addr().unwrap().port()).await.unwrap(), NOT_ALLOWED);
        assert_eq!(socks.closed(), Some(Closed::Blocked));
        assert!(futures_now(trap.accept()).await, "somebody was connected");
    }

    /// Whether nothing has come.
    async fn futures_now<T>(future: impl Future<Output = T>) -> bool {
        tokio::time::timeout(std::time::Duration::ZERO, future).await.is_err()
    }
}
