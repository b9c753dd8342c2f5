//! 55 to 71: how a tar is framed.

use std::time::{Duration, Instant};

use testkit::Image;
use testkit::image::{Packing, digest, pack};
use testkit::raw::{self, Header, dir, end, file, global, gnu_long, pax, pax_text, symlink};

use crate::case::Case;

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image of one layer of exactly these bytes.
fn of(tar: Vec<u8>) -> Image {
    Image::new().raw_layer(tar)
}

#[test]
fn n055_a_tar_inside_a_pax_size() {
    let case = Case::start();
    let inner = [file("inner", "hidden"), dir("evil")].concat();
    let size = inner.len().to_string();
    let outer = [pax(&[("size", size.as_bytes())]), Header::new("outer", b'0').followed_by(&inner)].concat();
    let live = case.reads(&[outer, file("next", "1")], &["next=1", "outer=1536 bytes"]);
    assert_eq!(case.served(&live)[&b"outer"[..]].content, inner);
}

#[test]
fn n056_a_pax_size_smaller_than_the_headers() {
    let case = Case::start();
    let small = [pax(&[("size", b"3")]), Header::new("a", b'0').size(600).followed_by(b"abc")].concat();
    case.reads(&[small, file("b", "next")], &["a=abc", "b=next"]);
}

#[test]
fn n057_a_pax_size_before_a_gnu_name() {
    let case = Case::start();
    let name = "n".repeat(600);
    let parts =
        [pax(&[("size", b"3")]), gnu_long(b'L', &name[..200]), Header::new("x", b'0').followed_by(b"abc")];
    case.reads(&[parts.concat(), file("z", "1")], &[&format!("{}=abc", &name[..200]), "z=1"]);
}

#[test]
fn n058_two_names_for_one_entry() {
    let case = Case::start();
    case.rejects(&[pax(&[("path", b"a")]), gnu_long(b'L', "b"), file("c", "")], "tar.ambiguous_name", 0);
    case.rejects(&[gnu_long(b'L', "b"), pax(&[("path", b"a")]), file("c", "")], "tar.ambiguous_name", 0);
    case.rejects(
        &[pax(&[("linkpath", b"a")]), gnu_long(b'K', "b"), symlink("c", "d")],
        "tar.ambiguous_name",
        0,
    );
}

#[test]
fn n059_a_pax_key_twice_or_empty() {
    let case = Case::start();
    case.reads(&[pax(&[("path", b"one"), ("path", b"two")]), file("c", "1")], &["two=1"]);
    case.reads(&[pax(&[("path", b"one"), ("path", b"")]), file("c", "1")], &["c=1"]);
    case.reads(&[pax(&[("path", b"one")]), pax(&[("path", b"two")]), file("c", "1")], &["two=1"]);
    case.reads(&[pax(&[("size", b"9"), ("size", b"")]), file("c", "1")], &["c=1"]);
}

#[test]
fn n060_pax_records_that_are_malformed() {
    let case = Case::start();
    for text in [
        "10 path=ab\n",
        "11 path=ab",
        "x",
        "99 path=a\n",
        "8 pathab\n",
        "-1 a=b\n",
        "+6 a=b\n",
        "6 =ab\n\n",
        "0 a=b\n",
        "5 a=b\n",
        "06x a=b\n",
        "0x9 a=b\n",
        "9 size=x\n",
        "11 size=0x1\n",
        "10 size=-1\n",
        "10 size=+1\n",
        "10 size= 1\n",
        "99999999999999999999999 a=b\n",
        "31 size=18446744073709551616\n",
        "11 mtime=x\n",
        "13 mtime=1e9\n",
        "29 GNU.sparse.offset=-00001\n",
    ] {
        case.rejects(&[pax_text(text.as_bytes()), file("c", "1")], "tar.pax_malformed", 0);
    }
}

#[test]
fn n061_a_nul_in_a_pax_path() {
    let case = Case::start();
    case.rejects(&[pax(&[("path", b"a\0b")]), file("c", "1")], "tar.pax_malformed", 0);
    case.rejects(&[pax(&[("linkpath", b"a\0b")]), symlink("c", "d")], "tar.pax_malformed", 0);
    case.rejects(&[pax(&[("a\0b", b"x")]), file("c", "1")], "tar.pax_malformed", 0);
}

#[test]
fn n062_a_global_header() {
    let case = Case::start();
    let said = global(&[("path", b"evil"), ("uid", b"77"), ("size", b"0"), ("SCHILY.xattr.user.a", b"x")]);
    let live = case.reads(&[said, file("a", "1"), file("b", "2")], &["a=1", "b=2"]);
    case.warned(&live, "a global PAX header is ignored");
    let node = &case.served(&live)[&b"a"[..]];
    assert_eq!((node.uid, node.xattrs.len()), (0, 0));
}

#[test]
fn n063_an_extension_header_at_the_end() {
    let case = Case::start();
    for last in [pax(&[("path", b"a")]), gnu_long(b'L', "a"), gnu_long(b'K', "a"), pax_text(b"")] {
        case.rejects(&[file("a", "1"), last.clone()], "tar.truncated", 1);
        case.refuses_at(&of([file("a", "1"), last].concat()), "tar.truncated", 0, 1);
    }
}

#[test]
fn n064_a_wrong_checksum() {
    let case = Case::start();
    for sum in ["000001\0 ", "        ", "\0\0\0\0\0\0\0\0", "-00001\0 ", "zzzzzz\0 "] {
        case.rejects(&[file("a", "1"), Header::new("b", b'0').sum(sum).block()], "tar.checksum", 1);
    }
}

#[test]
fn n065_sizes_that_cannot_be() {
    let case = Case::start();
    let large = |n| Header::new("a", b'0').base256(124, 12, n).block();
    case.rejects(&[file("b", ""), Header::new("a", b'0').size(8 << 30).block()], "tar.truncated", 1);
    case.rejects(&[file("b", ""), large(i128::from(i64::MAX))], "layer.too_large", 1);
    case.rejects(&[file("b", ""), large(i128::from(i64::MAX) + 1)], "tar.size", 1);
    case.rejects(&[file("b", ""), large(-1)], "tar.size", 1);
    case.rejects(&[file("b", ""), large(-(1 << 80))], "tar.size", 1);
    for text in ["0000000000x", "-0000000001", "0x000000001", "00000 00001", "00000000009"] {
        case.rejects(&[file("b", ""), Header::new("a", b'0').at(124, text).block()], "tar.size", 1);
    }
    case.reads(&[Header::new("a", b'0').at(124, "         4 \0").followed_by(b"four")], &["a=four"]);
}

#[test]
fn n066_an_archive_that_is_cut() {
    let case = Case::start();
    let whole = [file("a", "1"), file("b", "x".repeat(600))].concat();
    // In a header, in the data, and in the padding: each time it is the second entry.
    for length in [1024 + 100, 1024 + 512 + 1, 1024 + 512 + 599, 1024 + 512 + 700, whole.len() - 1] {
        case.refuses_at(&of(whole[..length].to_vec()), "tar.truncated", 0, 1);
    }
}

#[test]
fn n067_how_an_archive_ends() {
    let case = Case::start();
    case.gives(&of(file("a", "1")), &["a=1"]);
    case.refuses_at(
        &of([file("a", "1"), vec![0; 512], file("b", "2"), end()].concat()),
        "tar.trailing_entries",
        0,
        1,
    );
    case.gives(&of([file("a", "1"), vec![0; 512]].concat()), &["a=1"]);
    // As `umoci insert` leaves it.
    let live = case.gives(&of(file("a", "1")[..513].to_vec()), &["a=1"]);
    case.warned(&live, "the archive ends without padding its last entry");
    let more = [file("a", "1"), end(), file("b", "not seen"), b"garbage".to_vec()].concat();
    let live = case.gives(&of(more.clone()), &["a=1"]);
    case.warned(&live, "bytes after the end of the archive are ignored");
    // The diff_id is over all bytes, the ignored ones too.
    let short = digest(&more[..2048]);
    let blob = Image::new().blob_layer(pack(&more, Packing::Gzip), &short, GZIP);
    case.refuses(&blob, "config.mismatch");
}

#[test]
fn n068_an_empty_layer() {
    let case = Case::start();
    let nothing = Image::new().blob_layer(Vec::new(), &digest(b""), PLAIN);
    case.gives(&nothing.layer(|l| l.file("a", "1")), &["a=1"]);
    case.gives(&of(end()).layer(|l| l.file("b", "1")), &["b=1"]);
    // The empty layer that Docker wrote for years, byte for byte.
    let known = "1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000";
    let known: Vec<u8> =
        (0..known.len()).step_by(2).map(|i| u8::from_str_radix(&known[i..i + 2], 16).unwrap()).collect();
    assert!(digest(&known).starts_with("sha256:a3ed95ca"));
    case.gives(&Image::new().blob_layer(known, &digest(&end()), GZIP), &[]);
}

#[test]
fn n069_a_layer_that_is_no_tar() {
    let case = Case::start();
    for bytes in [b"<html>log in</html>".repeat(60), b"\x7fELF".repeat(300), b"x".to_vec(), vec![0xff; 5000]]
    {
        case.refuses(&of(bytes), "tar.invalid");
    }
}

#[test]
fn n070_a_gnu_header_with_a_prefix() {
    let case = Case::start();
    case.rejects(
        &[file("b", ""), Header::new("a", b'0').gnu().at(345, "dir").block()],
        "tar.ambiguous_name",
        1,
    );
    // Times stand there rightly.
    case.reads(&[Header::new("a", b'0').gnu().octal(345, 12, 7).octal(357, 12, 8).block()], &["a="]);
}

#[test]
fn n071_types() {
    let case = Case::start();
    for kind in *b"VMNDXs9AZ\xff" {
        case.rejects(&[Header::new("a", kind).block()], "tar.type", 0);
    }
    case.reads(
        &[Header::new("a", b'7').with(b"contiguous"), Header::new("b", 0).v7().with(b"v7")],
        &["a=contiguous", "b=v7"],
    );
}

#[test]
fn n074_data_where_none_can_be() {
    let case = Case::start();
    case.rejects(&[Header::new("a", b'2').link("b").with(b"data")], "tar.link_with_data", 0);
    case.rejects(&[Header::new("a", b'5').with(b"data")], "tar.dir_with_data", 0);
    for kind in *b"346" {
        case.rejects(&[Header::new("a", kind).device(1, 3).with(b"data")], "tar.link_with_data", 0);
    }
    for kind in *b"256" {
        let by_pax = [pax(&[("size", b"4")]), Header::new("a", kind).link("b").followed_by(b"data")].concat();
        let code = if kind == b'5' { "tar.dir_with_data" } else { "tar.link_with_data" };
        case.rejects(&[by_pax], code, 0);
    }
    case.rejects(&[symlink("a", "")], "tar.link_empty", 0);
}

#[test]
fn n075_long_names() {
    let case = Case::start();
    let long = |n: usize| format!("{}/{}", "d".repeat(150), "n".repeat(n - 151));
    let (n100, n101, n255, n300) = ("a".repeat(100), "b".repeat(101), long(251), long(300));
    let split = Header::new(&n255[151..], b'0').at(345, &n255[..150]).block();
    let parts = [
        file(&n100, ""),
        [pax(&[("path", n101.as_bytes())]), file("x", "")].concat(),
        split,
        [pax(&[("path", n300.as_bytes())]), file("x", "")].concat(),
        [gnu_long(b'L', &n300[..299]), file("x", "")].concat(),
        [gnu_long(b'K', &n300), gnu_long(b'L', "link"), Header::new("x", b'2').gnu().link(&n300).block()]
            .concat(),
    ];
    let tree = case.flat(&of(raw::tar(&parts)));
    for name in [n100.as_str(), &n101, &n255, &n300, &n300[..299]] {
        assert_eq!(tree[name.as_bytes()].kind, '0', "{name}");
    }
    assert_eq!(tree[&b"link"[..]].link, n300.as_bytes());
    assert_eq!(tree.len(), 7);
}

#[test]
fn a_refusal_comes_before_the_rest_is_read() {
    let case = Case::start();
    let rest = vec![0; 200 << 20];
    let began = Instant::now();
    case.refuses(&of([file("../x", ""), rest].concat()).packed(Packing::Zstd), "path.escape");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
