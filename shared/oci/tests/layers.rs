//! What the layer reader takes, and what it refuses with which code. Inputs are built byte by byte.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::io::{Cursor, Write};

use oci::layer::{Entry, Kind, LayerReader, Time};
use oci::limits::{Budget, Limits};
use testkit::raw::{Header, end, file, gnu_long, padded, pax};

fn header(name: &str, kind: u8, size: u64, link: &str) -> Vec<u8> {
    Header::new(name, kind).size(size).link(link).block()
}

type Read = Vec<(Entry, Vec<u8>)>;

fn read_with(bytes: Vec<u8>, limits: Limits) -> Result<(Read, Vec<String>), &'static str> {
    let mut reader = LayerReader::open(Cursor::new(bytes), Budget::new(limits)).map_err(|e| e.code())?;
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry().map_err(|e| e.code())? {
        let mut data = Vec::new();
        let mut piece = [0; 700];
        loop {
            match reader.read_content(&mut piece).map_err(|e| e.code())? {
                0 => break,
                read => data.extend_from_slice(&piece[..read]),
            }
        }
        found.push((entry, data));
    }
    Ok((found, reader.end().map_err(|e| e.code())?.warnings))
}

fn read(parts: &[Vec<u8>]) -> Result<(Read, Vec<String>), &'static str> {
    read_with(parts.concat(), Limits::default())
}

fn only(parts: &[Vec<u8>]) -> (Entry, Vec<u8>) {
    let (mut found, _) = read(parts).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn code(parts: &[Vec<u8>]) -> &'static str {
    read(parts).unwrap_err()
}

#[test]
fn sizes_have_one_meaning() {
    // CVE-2025-62518: a header size of 0, a PAX size of N, and inside those N bytes another archive.
    let inner = file("inner", b"hidden");
    let outer =
        [pax(&[("size", inner.len().to_string().as_bytes())]), header("outer", b'0', 0, ""), inner.clone()]
            .concat();
    let (entry, data) = only(&[outer, end()]);
    assert_eq!((entry.path.as_slice(), data), (&b"outer"[..], inner));
    // CVE-2026-33055: the PAX size is the smaller one, and the next entry is found behind it.
    let parts =
        [pax(&[("size", b"3")]), header("a", b'0', 600, ""), padded(b"abc"), file("b", b"next"), end()];
    let (found, _) = read(&parts).unwrap();
    assert_eq!(found.iter().map(|(_, data)| data.as_slice()).collect::<Vec<_>>(), [&b"abc"[..], b"next"]);
    // A PAX size stands for the file, not for the long name between them.
    let parts =
        [pax(&[("size", b"3")]), gnu_long(b'L', "long"), header("x", b'0', 0, ""), padded(b"abc"), end()];
    assert_eq!(only(&parts).0.path, b"long");
    let base256 = |bytes: [u8; 12]| Header::new("a", b'0').at(124, bytes).block();
    let mut huge = [0xff; 12];
    huge[0] = 0x80;
    assert_eq!(code(&[base256(huge), end()]), "tar.size");
    assert_eq!(code(&[base256([0xff; 12]), end()]), "tar.size");
    assert_eq!(code(&[header("a", b'0', 8 << 30, ""), end()]), "tar.truncated");
    assert_eq!(code(&[header("a", b'0', 21 << 30, ""), end()]), "layer.too_large");
}

#[test]
fn names_have_one_meaning() {
    assert_eq!(
        code(&[pax(&[("path", b"a")]), gnu_long(b'L', "b"), file("c", b""), end()]),
        "tar.ambiguous_name"
    );
    assert_eq!(
        code(&[pax(&[("linkpath", b"a")]), gnu_long(b'K', "b"), header("c", b'2', 0, "d"), end()]),
        "tar.ambiguous_name"
    );
    let mixed = Header::new("a", b'0').gnu().at(345, "dir").block();
    assert_eq!(code(&[mixed, end()]), "tar.ambiguous_name");
    let long = "x/".repeat(100) + "end";
    for parts in [
        vec![gnu_long(b'L', &long), file("short", b"1")],
        vec![pax(&[("path", long.as_bytes())]), file("short", b"1")],
    ] {
        assert_eq!(only(&[parts.concat(), end()]).0.path, long.as_bytes());
    }
    let prefixed = Header::new("name", b'0').at(345, "prefix").block();
    assert_eq!(only(&[prefixed, end()]).0.path, b"prefix/name");
    assert_eq!(only(&[pax(&[("path", b"one"), ("path", b"two")]), file("c", b""), end()]).0.path, b"two");
    assert_eq!(only(&[pax(&[("path", b"one"), ("path", b"")]), file("c", b""), end()]).0.path, b"c");
    assert_eq!(only(&[pax(&[("path", b"\xff\xfe")]), file("c", b""), end()]).0.path, b"\xff\xfe");
    assert_eq!(code(&[pax(&[("path", b"a\0b")]), file("c", b""), end()]), "tar.pax_malformed");
    assert_eq!(
        code(&[header("x", b'x', 5, ""), padded(b"9 a=b"), file("c", b""), end()]),
        "tar.pax_malformed"
    );
    assert_eq!(only(&[header("dir/", 0, 0, ""), end()]).0.kind, Kind::Dir);
    assert_eq!(only(&[file("a/", b"1"), end()]).0.path, b"a");
    assert_eq!(code(&[file(".", b""), end()]), "path.root_type");
}

#[test]
fn an_archive_ends_once() {
    assert_eq!(read(&[file("a", b"1")]).unwrap().0.len(), 1, "no end at all");
    assert_eq!(read(&[]).unwrap().0.len(), 0);
    assert_eq!(read(&[end()]).unwrap().0.len(), 0);
    assert_eq!(code(&[file("a", b"1"), vec![0; 512], file("b", b"2"), end()]), "tar.trailing_entries");
    let (found, warnings) = read(&[file("a", b"1"), end(), b"leftover".to_vec()]).unwrap();
    assert_eq!((found.len(), warnings.len()), (1, 1));
    assert_eq!(code(&[header("a", b'0', 2000, ""), vec![1; 600]]), "tar.truncated");
    assert_eq!(code(&[pax(&[("path", b"a")])]), "tar.truncated");
    assert_eq!(code(&[b"<html>log in</html>".repeat(60)]), "tar.invalid");
    assert_eq!(code(&[b"\x7fELF".repeat(300)]), "tar.invalid");
    let mut wrong = file("a", b"1");
    wrong[0] = b'b';
    assert_eq!(code(&[wrong, end()]), "tar.checksum");
}

#[test]
fn types_are_known_or_refused() {
    for kind in *b"VMNDXs9" {
        assert_eq!(code(&[header("a", kind, 0, ""), end()]), "tar.type", "{}", kind as char);
    }
    assert_eq!(only(&[[header("a", b'7', 1, ""), padded(b"x")].concat(), end()]).0.kind, Kind::File(1));
    for kind in *b"126" {
        assert_eq!(code(&[[header("a", kind, 1, "b"), padded(b"x")].concat(), end()]), "tar.link_with_data");
    }
    assert_eq!(code(&[[header("a", b'5', 1, ""), padded(b"x")].concat(), end()]), "tar.dir_with_data");
    let device = |major, minor| Header::new("dev", b'3').device(major, minor).block();
    assert_eq!(only(&[device(1, 3), end()]).0.kind, Kind::Char(1, 3));
    let (found, warnings) = read(&[device(0, 0), end()]).unwrap();
    assert_eq!((found.len(), warnings.len()), (0, 1));
}

#[test]
fn metadata_is_exact() {
    let meta = |records: &[(&str, &[u8])]| only(&[pax(records), file("a", b""), end()]).0.meta;
    assert_eq!(meta(&[("uid", b"4294967294"), ("gid", b"3000000")]).uid, 4_294_967_294);
    assert_eq!(meta(&[("mtime", b"-1.5")]).mtime, Time { seconds: -2, nanos: 500_000_000 });
    assert_eq!(meta(&[("mtime", b"100000000000000000")]).mtime.seconds, 1 << 34);
    assert_eq!(meta(&[("uname", b"root"), ("uid", b"1000")]).uid, 1000);
    let value = b"\x01\0\n=\xff";
    assert_eq!(
        meta(&[("SCHILY.xattr.security.capability", value)]).xattrs,
        [(b"security.capability".to_vec(), value.to_vec())]
    );
    for dropped in ["trusted.overlay.opaque", "user.overlay.origin", "security.selinux"] {
        assert!(meta(&[(&format!("SCHILY.xattr.{dropped}"), b"x")]).xattrs.is_empty(), "{dropped}");
    }
    for id in [&b"4294967295"[..], b"4294967296", b"-1", b"root"] {
        assert_eq!(code(&[pax(&[("uid", id)]), file("a", b""), end()]), "tar.id_range");
    }
    let large = vec![b'x'; 100_000];
    assert_eq!(code(&[pax(&[("SCHILY.xattr.user.a", &large)]), file("a", b""), end()]), "xattr.too_large");
    let setuid = Header::new("a", b'0').mode(0o104_755).block();
    assert_eq!(only(&[setuid, end()]).0.meta.mode, 0o4755, "bits above 07777 are masked");
}

#[test]
fn sparse_files_are_expanded() {
    let expected = [&b"ab"[..], &[0; 1000], b"cd", &[0; 10]].concat();
    let name = "GNUSparseFile.0/real";
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
    for parts in [vec![old, file("real", b"abcd")], vec![map, file(name, b"abcd")]] {
        let (entry, data) = only(&[parts.concat(), end()]);
        assert_eq!(
            (entry.path.as_slice(), entry.kind, data == expected),
            (&b"real"[..], Kind::File(1014), true)
        );
    }
    let head = padded(b"2\n0\n2\n1002\n2\n");
    let records: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"real"),
        ("GNU.sparse.realsize", b"1014"),
    ];
    let parts =
        [pax(&records), header(name, b'0', 516, ""), head, padded(b"abcd"), file("next", b"n"), end()];
    let (found, _) = read(&parts).unwrap();
    assert_eq!((found[0].1 == expected, found[1].0.path.as_slice()), (true, &b"next"[..]));
    let table = [(386, 0), (398, 2), (410, 1002), (422, 2), (483, 1014)];
    let gnu_sparse = table
        .into_iter()
        .fold(Header::new("real", b'S').gnu().size(4), |header, (at, number)| header.octal(at, 12, number))
        .block();
    assert_eq!(only(&[gnu_sparse, padded(b"abcd"), end()]).1, expected);
    let tib = pax(&[("GNU.sparse.size", b"1099511627776"), ("GNU.sparse.map", b"0,1")]);
    assert_eq!(code(&[tib, file("a", b"x"), end()]), "layer.too_large");
    for map in ["0,2,1,2", "0", "5,x", "0,9"] {
        let bad = pax(&[("GNU.sparse.size", b"100"), ("GNU.sparse.map", map.as_bytes())]);
        assert_eq!(code(&[bad, file("a", b"abcd"), end()]), "tar.sparse_invalid", "{map}");
    }
}

#[test]
fn compression_is_read_whole_or_refused() {
    let tar = [file("a", b"1"), file("b", [7; 5000]), end()].concat();
    let gzip = |bytes: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    let (left, right) = tar.split_at(700);
    let members = [gzip(left), gzip(right)].concat();
    let zstd = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).unwrap();
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
    let frames = [zstd(left), skippable, zstd(right)].concat();
    for bytes in [tar.clone(), gzip(&tar), members.clone(), zstd(&tar), frames.clone()] {
        assert_eq!(read(&[bytes]).unwrap().0.len(), 2);
    }
    let mut bad_sum = gzip(&tar);
    let at = bad_sum.len() - 6;
    bad_sum[at] ^= 1;
    let cut = |bytes: &[u8]| bytes[..bytes.len() - 9].to_vec();
    for bytes in [
        bad_sum,
        cut(&gzip(&tar)),
        cut(&members),
        cut(&zstd(&tar)),
        [members, b"junk".to_vec()].concat(),
        [frames, b"junk".to_vec()].concat(),
    ] {
        assert_eq!(code(&[bytes]), "layer.decompress");
    }
    assert_eq!(code(&[gzip(&gzip(&tar))]), "tar.invalid", "one level only");
    assert_eq!(code(&[b"\xfd7zXZ\0....".to_vec()]), "layer.media_type");
    assert_eq!(code(&[b"BZh91AY....".to_vec()]), "layer.media_type");
    // A bomb stops at the cap, whatever its ratio.
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let zeros = [header("a", b'0', 512 << 20, ""), vec![0; 64 << 20]].concat();
    assert_eq!(read_with(zstd(&zeros), limits.clone()).unwrap_err(), "layer.too_large");
    let endless = [file("a", b""), end(), vec![0; 8 << 20]].concat();
    assert_eq!(read_with(gzip(&endless), limits).unwrap_err(), "layer.too_large");
    let few = Limits { entries: 1, ..Limits::default() };
    assert_eq!(read_with(tar, few).unwrap_err(), "layer.too_many_entries");
}
