//! 109, and 93 served slowly: answers that come late, in part, or never.

use std::collections::HashSet;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;
use testkit::image::{digest, noise};

use super::*;

const TRICKLE: Duration = Duration::from_millis(300);

/// A registry must send 64 KiB a second over two seconds, and may be silent for one.
const SHORT: [(&str, &str); 2] = [("PLATEN_REGISTRY_SILENCE", "1"), ("PLATEN_REGISTRY_RATE_WINDOW", "2")];

/// An image whose layer is large enough to be cut.
fn large() -> Shelf {
    Shelf::new().image("1", &Image::new().layer(|l| l.file("a", noise(300_000))))
}

fn layer_of(shelf: &Shelf) -> (String, Vec<u8>) {
    let name = shelf.manifest("1")["layers"][0]["digest"].as_str().unwrap().to_owned();
    let bytes = shelf.bytes(&name).to_vec();
    (name, bytes)
}

fn forever(head: &'static [u8], piece: &'static [u8], pause: Duration) -> Answer {
    Answer::raw(move |write| {
        write(head)?;
        loop {
            thread::sleep(pause);
            write(piece)?;
        }
    })
}

#[test]
fn n109_answers_that_trickle_break_or_lie() {
    let shelf = large();
    let (name, bytes) = layer_of(&shelf);
    let (half, whole) = (bytes.len() / 2, bytes.len());
    let range = move |from: usize, last: usize| format!("bytes {from}-{last}/{whole}");
    let (told, blob_name) = (Mutex::new(HashSet::new()), name.clone());
    let registry = lying(shelf, move |seen| {
        let (blob, from) = (seen.path.ends_with(&name), seen.from());
        let first = |number| told.lock().unwrap().insert(number);
        let all = || Answer::new(200, bytes.clone());
        match variant(seen) {
            // Refused.
            0 => Some(Answer::new(200, vec![b' '; 100]).pace(1, TRICKLE)),
            1 if blob => Some(all().pace(1, TRICKLE)),
            2 => Some(forever(
                b"HTTP/1.1 200 OK\r\n",
                b"x-more: and more and more and more\r\n",
                Duration::ZERO,
            )),
            3 => Some(forever(b"HTTP/1.1 200 OK\r\nx: ", &[b'a'; 8192], Duration::ZERO)),
            4 if blob => Some(Answer::new(206, bytes.clone()).header("content-range", &range(0, whole - 1))),
            5 if blob && from.is_some() => {
                let from = from.unwrap_or_default();
                Some(Answer::new(206, vec![0; whole - from]).header("content-range", &range(from, whole - 1)))
            }
            6 => Some(forever(b"SSH-2.0-OpenSSH_9.2\r\n", b"\0", TRICKLE)),
            7 => Some(forever(b"HTTP/1.1 403 No\r\n\r\n", &[b' '; 8192], Duration::ZERO)),
            8 if seen.path.starts_with("/token") => {
                Some(forever(b"HTTP/1.1 200 OK\r\n\r\n", &[b' '; 8192], Duration::ZERO))
            }
            8 => {
                let realm = format!("http://{}/token/n8/", seen.header("host").unwrap());
                Some(Answer::challenge(&format!("Bearer realm=\"{realm}\"")))
            }
            // Tried again, and given up.
            10 => Some(forever(b"HTTP/1.1 200 OK\r\n", b"x", TRICKLE)),
            11 if blob => Some(Answer::raw(|write| {
                write(b"HTTP/1.1 200 OK\r\n\r\nsome")?;
                thread::sleep(Duration::from_secs(5));
                Ok(())
            })),
            12 if blob => Some(all().cut(half)),
            13 => Some(Answer::raw(|_| Ok(()))),
            14 => Some(forever(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", TRICKLE / 10)),
            // Resumed.
            5 | 20 if blob && from.is_none() => Some(all().cut(half)),
            21 if blob => Some(match from {
                Some(_) => all(),
                None => all().cut(half),
            }),
            22 if blob => match from {
                Some(_) => Some(Answer::new(206, &bytes[..10]).header("content-range", &range(0, 9))),
                None if first(22) => Some(all().cut(half)),
                None => None,
            },
            23 if blob => match from {
                Some(_) => Some(Answer::new(416, "")),
                None if first(23) => Some(all().cut(half)),
                None => None,
            },
            _ => None,
        }
    });
    let case = Case::with(&SHORT);
    let (case, source) = (&case, |number: usize| format!("{}/n{number}/x:1", registry.host()));
    let registry = &registry;
    thread::scope(|scope| {
        for (number, cause) in [
            (10, "registry.timeout"),
            (12, "registry.unreachable"),
            (13, "registry.unreachable"),
            (14, "registry.timeout"),
        ] {
            let source = source(number);
            scope.spawn(move || {
                let image = case.refuses_from(&source, &[], "attempts.exhausted");
                let told = image["state"]["error"]["message"].as_str().unwrap().to_owned();
                assert!(told.contains(cause), "{number}: {told}");
                let requests = registry.asked(&format!("/n{number}/"));
                assert!(requests < 60, "{number}: {requests}");
            });
        }
        for (number, code) in [
            (0, "registry.too_slow"),
            (1, "registry.too_slow"),
            (2, "registry.error"),
            (3, "registry.error"),
            (4, "registry.error"),
            (5, "digest.mismatch"),
            (6, "registry.error"),
            (7, "registry.denied"),
            (8, "registry.error"),
            // Silence again and again is slowness, too.
            (11, "registry.too_slow"),
        ] {
            case.refuses_from(&source(number), &[], code);
        }
    });
    case.nothing_is_left();
    // What is missing is asked for, and everything where ranges are not to be trusted.
    for (number, requests) in [(20, 2), (21, 2), (22, 3), (23, 3)] {
        case.live_from(&source(number), &[]);
        // Or the next one would be known, and not fetched.
        case.factory.run(&["prune", "--min-age", "0s"]);
        let asked: Vec<Option<usize>> = registry
            .seen()
            .iter()
            .filter(|seen| variant(seen) == number && seen.path.ends_with(&blob_name))
            .map(testkit::standin::Seen::from)
            .collect();
        assert_eq!((asked.len(), asked[1]), (requests, Some(half)), "{number}: {asked:?}");
    }
}

/// A gzip that never ends, of a tar that announces a file of 8 GiB.
fn endless(pause: Duration) -> Answer {
    Answer::raw(move |write| {
        let mut block = testkit::image::Layer::default().file("a", "").bytes()[..512].to_vec();
        block[124..136].copy_from_slice(b"77777777777\0");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        write(b"HTTP/1.1 200 OK\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\x03")?;
        stored(write, &block)?;
        loop {
            thread::sleep(pause);
            stored(write, &[0; 16 << 10])?;
        }
    })
}

/// A block of deflate that is not compressed (RFC 1951, 3.2.4) and not the last.
fn stored(write: &mut dyn FnMut(&[u8]) -> io::Result<()>, bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).unwrap();
    write(&[&[0], &length.to_le_bytes()[..], &(!length).to_le_bytes(), bytes].concat())
}

#[test]
fn n093_an_endless_layer_served_slowly() {
    let mut shelf = shelf();
    let mut manifest = shelf.manifest("1");
    let name = digest(b"nobody can have this");
    manifest["layers"][0]["digest"] = json!(name);
    manifest["layers"][0]["size"] = json!(1u64 << 40);
    shelf.document("1", "application/vnd.oci.image.manifest.v1+json", manifest.to_string());
    let registry = lying(shelf, move |seen| {
        seen.path.ends_with(&name).then(|| match variant(seen) {
            // 16 KiB a second, and 160: the first is too slow, the second just never done.
            0 => endless(Duration::from_secs(1)),
            _ => endless(Duration::from_millis(100)),
        })
    });
    let settings = [("PLATEN_REGISTRY_RATE_WINDOW", "3"), ("PLATEN_IMPORT_LIMIT", "6")];
    let case = Case::with(&settings);
    case.refuses_from(&format!("{}/n0/x:1", registry.host()), &[], "registry.too_slow");
    case.refuses_from(&format!("{}/n1/x:1", registry.host()), &[], "import.too_long");
    case.nothing_is_left();
}
