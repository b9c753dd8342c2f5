//! 72 and 73: sparse files.

use std::time::{Duration, Instant};

use testkit::Image;
use testkit::image::Packing;
use testkit::raw::{self, Header, file, padded, pax};

use crate::case::Case;

/// `ab`, a thousand zeros, `cd`, ten zeros.
fn expanded() -> Vec<u8> {
    [&b"ab"[..], &[0; 1000], b"cd", &[0; 10]].concat()
}

/// An old GNU header of a table of offsets and lengths, and a real size.
fn gnu(name: &str, table: &[(u64, u64)], size: u64) -> Header {
    let header = Header::new(name, b'S').gnu().octal(483, 12, size);
    table.iter().enumerate().fold(header, |header, (n, (offset, length))| {
        header.octal(386 + 24 * n, 12, *offset).octal(398 + 24 * n, 12, *length)
    })
}

/// A PAX 1.0 sparse file: its map stands before its data.
fn one_dot_zero(records: &[(&str, &[u8])], map: &str, data: &[u8]) -> Vec<u8> {
    let version: [(&str, &[u8]); 2] = [("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")];
    let body = [padded(map.as_bytes()), data.to_vec()].concat();
    [pax(&[&version[..], records].concat()), Header::new("GNUSparseFile.7/real", b'0').with(&body)].concat()
}

#[test]
fn n072_sparse_files_are_expanded() {
    let case = Case::start();
    let old = pax(&[
        ("GNU.sparse.size", b"1014"),
        ("GNU.sparse.numblocks", b"2"),
        ("GNU.sparse.offset", b"0"),
        ("GNU.sparse.numbytes", b"2"),
        ("GNU.sparse.offset", b"1002"),
        ("GNU.sparse.numbytes", b"2"),
    ]);
    let map =
        pax(&[("GNU.sparse.size", b"1014"), ("GNU.sparse.name", b"real"), ("GNU.sparse.map", b"0,2,1002,2")]);
    let named: [(&str, &[u8]); 2] = [("GNU.sparse.name", b"real"), ("GNU.sparse.realsize", b"1014")];
    for parts in [
        [old, file("real", "abcd")].concat(),
        [map, file("GNUSparseFile.0/real", "abcd")].concat(),
        one_dot_zero(&named, "2\n0\n2\n1002\n2\n", b"abcd"),
        gnu("real", &[(0, 2), (1002, 2)], 1014).with(b"abcd"),
    ] {
        let live = case.reads(&[parts, file("next", "n")], &["next=n", "real=1014 bytes"]);
        assert_eq!(case.served(&live)[&b"real"[..]].content, expanded());
    }
    // An old GNU table goes on in blocks of its own.
    let pieces: Vec<(u64, u64)> = (0..10).map(|n| (n * 100, 1)).collect();
    let mut more = vec![0; 512];
    for (n, (offset, length)) in pieces[4..].iter().enumerate() {
        more[24 * n..24 * n + 23].copy_from_slice(format!("{offset:011o}\0{length:011o}").as_bytes());
    }
    let long =
        [gnu("real", &pieces[..4], 1000).at(482, [1]).size(10).block(), more, padded(b"0123456789")].concat();
    let tree = case.flat(&Image::new().raw_layer(raw::tar(&[long, file("next", "n")])));
    let content = &tree[&b"real"[..]].content;
    assert_eq!((content.len(), content[0], content[900], content[901]), (1000, b'0', b'9', 0));
    assert_eq!(tree[&b"next"[..]].content, b"n");
}

#[test]
fn n073_a_terabyte_of_holes() {
    let case = Case::start();
    let tib = 1u64 << 40;
    let size = tib.to_string();
    let sized: [(&str, &[u8]); 2] = [("GNU.sparse.name", b"a"), ("GNU.sparse.realsize", size.as_bytes())];
    for part in [
        [pax(&[("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.map", b"0,1")]), file("a", "x")].concat(),
        one_dot_zero(&sized, "1\n0\n1\n", b"x"),
        gnu("a", &[(0, 1)], 0).octal(483, 12, (1 << 33) - 1).base256(483, 12, i128::from(tib)).with(b"x"),
    ] {
        let image = Image::new().raw_layer(raw::tar(&[part]));
        let began = Instant::now();
        case.refuses_at(&image, "layer.too_large", 0, 0);
        // All of upload, pin and refusal.
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}

#[test]
fn sparse_maps_that_cannot_be() {
    let case = Case::start();
    for map in ["0,2,1,2", "0", "5,x", "0,9", "-1,4", "0,4,", "96,5", "18446744073709551615,4"] {
        let bad = pax(&[("GNU.sparse.size", b"100"), ("GNU.sparse.map", map.as_bytes())]);
        case.rejects(&[bad, file("a", "abcd")], "tar.sparse_invalid", 0);
    }
    let named: [(&str, &[u8]); 2] = [("GNU.sparse.name", b"a"), ("GNU.sparse.realsize", b"100")];
    for map in [
        "99999999999999999999\n",
        "4294967296\n",
        "200000\n",
        "2\n0\n2\nx\n2\n",
        "111111111111111111111111\n",
        "-1\n",
    ] {
        case.rejects(&[one_dot_zero(&named, map, b"abcd")], "tar.sparse_invalid", 0);
    }
    // A map of two kinds, half a map, and a version that is not known: their bytes must not pass for content.
    let both =
        [pax(&[("GNU.sparse.size", b"4"), ("GNU.sparse.map", b"0,4")]), gnu("a", &[(0, 4)], 4).with(b"abcd")];
    case.rejects(&[both.concat()], "tar.sparse_invalid", 0);
    for half in [
        [("GNU.sparse.map", &b"0,4"[..])],
        [("GNU.sparse.name", b"b")],
        [("GNU.sparse.major", b"2")],
        [("GNU.sparse.realsize", b"4")],
    ] {
        case.rejects(&[pax(&half), file("a", "abcd")], "tar.sparse_invalid", 0);
    }
    // Without its real name it would go by one that GNU tar made up.
    let nameless = [("GNU.sparse.realsize", &b"2"[..])];
    case.rejects(&[one_dot_zero(&nameless, "1\n0\n2\n", b"ab")], "tar.sparse_invalid", 0);
}

#[test]
fn a_map_of_empty_pieces_is_passed_over() {
    let case = Case::start();
    // Each is nothing; whoever calls itself for the next one runs out of stack.
    let map = format!("0,1{}", ",1,0".repeat(90_000));
    let records =
        [("GNU.sparse.size", &b"10"[..]), ("GNU.sparse.name", b"a"), ("GNU.sparse.map", map.as_bytes())];
    let image = Image::new().raw_layer(raw::tar(&[pax(&records), file("x", "x"), file("b", "1")]));
    case.gives(&image.packed(Packing::Zstd), &["a=x\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00", "b=1"]);
}
