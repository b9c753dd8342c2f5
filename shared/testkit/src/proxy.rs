//! A slow line: a TCP proxy that lets so many bytes a second through to a server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Listens on a port of its own, for as long as the test's process lives. Answers that port.
pub fn slow(to: u16, bytes_per_second: usize) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            let (back, forth) = (server.try_clone(), client.try_clone());
            if let (Ok(back), Ok(forth)) = (back, forth) {
                thread::spawn(move || pump(client, server, usize::MAX));
                thread::spawn(move || pump(back, forth, bytes_per_second));
            }
        }
    });
    port
}

fn pump(mut from: TcpStream, mut to: TcpStream, rate: usize) {
    let mut piece = [0; 8192];
    while let Ok(read) = from.read(&mut piece) {
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        if to.write_all(bytes).is_err() {
            break;
        }
        if rate < usize::MAX {
            thread::sleep(Duration::from_secs_f64(read as f64 / rate as f64));
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
