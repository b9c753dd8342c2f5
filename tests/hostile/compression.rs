//! 87 to 94: compression.

use std::io::Write;
use std::time::{Duration, Instant};

use testkit::Image;
use testkit::image::{Packing, digest, pack};
use testkit::raw::{self, Header, end, file};

use crate::case::Case;

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

fn tar() -> Vec<u8> {
    raw::tar(&[file("a", "1"), file("b", [7; 5000])])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    pack(bytes, Packing::Gzip)
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    pack(bytes, Packing::Zstd)
}

/// A layer of this blob, of which it is said that it holds [`tar`].
fn blob(bytes: Vec<u8>, media_type: &str) -> Image {
    Image::new().blob_layer(bytes, &digest(&tar()), media_type)
}

fn skippable(data: &[u8], says: u32) -> Vec<u8> {
    [&[0x50, 0x2a, 0x4d, 0x18][..], &says.to_le_bytes(), data].concat()
}

const BOTH: [&str; 2] = ["a=1", "b=5000 bytes"];

#[test]
fn n087_gzip_of_many_members() {
    let case = Case::start();
    let tar = tar();
    let (left, right) = tar.split_at(700);
    case.gives(&blob([gzip(left), gzip(right)].concat(), GZIP), &BOTH);
    let bytes: Vec<u8> = tar.iter().flat_map(|byte| gzip(&[*byte])).collect();
    case.gives(&blob(bytes, GZIP), &BOTH);
}

#[test]
fn n088_gzip_that_is_damaged() {
    let case = Case::start();
    let whole = gzip(&tar());
    let with = |from_end: usize| {
        let mut bytes = whole.clone();
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        bytes
    };
    for (what, bytes) in [
        ("junk", [&whole[..], b"junk and more junk"].concat()),
        ("a little junk", [&whole[..], b"\x1f"].concat()),
        ("half a member", [&whole[..], &whole[..12]].concat()),
        ("zeros", [&whole[..], &[0; 512]].concat()),
        ("cut", whole[..whole.len() - 9].to_vec()),
        ("no trailer", whole[..whole.len() - 8].to_vec()),
        ("cut trailer", whole[..whole.len() - 1].to_vec()),
        ("only a magic", whole[..3].to_vec()),
        ("sum", with(6)),
        ("length", with(2)),
    ] {
        let image = case.refuses(&blob(bytes, GZIP), "layer.decompress");
        let said = image["state"]["error"]["message"].as_str().unwrap();
        assert!(said.contains("damaged or cut off"), "{what}: {said}");
    }
}

#[test]
fn n089_gzip_with_a_large_header() {
    let case = Case::start();
    let plain = gzip(&tar());
    let body = &plain[10..];
    let header = |flags: u8, fields: &[u8]| [&plain[..3], &[flags], &plain[4..10], fields, body].concat();
    let extra = [&[0xff, 0xff][..], &[b'e'; 65_535]].concat();
    case.gives(&blob(header(4, &extra), GZIP), &BOTH);
    let name = |n: usize| [vec![b'n'; n], vec![0]].concat();
    case.gives(&blob(header(8, &name(30_000)), GZIP), &BOTH);
    case.gives(&blob(header(16, &name(30_000)), GZIP), &BOTH);
    // What never ends is not kept.
    case.refuses(&blob(header(8, &name(40 << 20)), GZIP), "layer.decompress");
    case.refuses(&blob(header(16, &vec![b'c'; 40 << 20]), GZIP), "layer.decompress");
}

#[test]
fn n090_zstd_frames() {
    let case = Case::start();
    let tar = tar();
    let (left, right) = tar.split_at(700);
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0, (31 - 10) << 3, 1, 0, 0];
    case.refuses(&blob(window.to_vec(), ZSTD), "layer.window");
    case.refuses(&blob([zstd(&tar), b"junk".to_vec()].concat(), ZSTD), "layer.decompress");
    case.refuses(&blob(zstd(&tar)[..20].to_vec(), ZSTD), "layer.decompress");
    // A frame to be skipped that says 4 GiB.
    case.refuses(&blob([zstd(&tar), skippable(b"xyz", u32::MAX)].concat(), ZSTD), "layer.decompress");
    let frames =
        [skippable(b"first", 5), zstd(left), skippable(b"", 0), zstd(right), skippable(b"last", 4)].concat();
    case.gives(&blob(frames, ZSTD), &BOTH);
}

/// Ten gigabytes of zeros after a header, in a few megabytes.
fn bomb(pack: fn(&[u8]) -> Vec<u8>, head: &[u8]) -> Vec<u8> {
    let zeros = pack(&vec![0; 64 << 20]);
    let mut bytes = pack(head);
    for _ in 0..160 {
        bytes.extend_from_slice(&zeros);
    }
    bytes
}

#[test]
fn n091_bombs() {
    let case = Case::with(&[("PLATEN_MAX_BYTES", "268435456")]);
    let declared = Header::new("a", b'0').size(7 << 30).block();
    // Told at once; and zeros behind the end, which are read only for the diff_id.
    for (pack, kind) in [(gzip as fn(&[u8]) -> Vec<u8>, GZIP), (zstd, ZSTD)] {
        for head in [declared.clone(), raw::tar(&[file("a", "1")])] {
            let bytes = bomb(pack, &head);
            let began = Instant::now();
            case.refuses(&blob(bytes, kind), "layer.too_large");
            assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        }
    }
    // Many files, each within the cap; and the same through two layers.
    let parts: Vec<u8> = [Header::new("a", b'0').size(64 << 20).block(), vec![0; 64 << 20]].concat();
    let many = zstd(&parts).repeat(5);
    case.refuses(&blob(many.clone(), ZSTD), "layer.too_large");
    let half = |last: &str| {
        let tar = [parts.repeat(2), file(last, "")].concat();
        (zstd(&tar), digest(&tar))
    };
    let ((lower, lower_id), (upper, upper_id)) = (half("lower"), half("upper"));
    let image = Image::new().blob_layer(lower, &lower_id, ZSTD).blob_layer(upper, &upper_id, ZSTD);
    case.refuses(&image, "layer.too_large");
    // The archive itself.
    let archive = zstd(&vec![0; 300 << 20]);
    case.refuses_from(&case.archive(&archive), &[], "archive.too_large");
}

#[test]
fn n092_gzip_in_gzip() {
    let case = Case::start();
    let inner = gzip(&vec![0; 64 << 20]);
    case.refuses(&blob(gzip(&inner), GZIP), "tar.invalid");
    case.refuses(&blob(gzip(&gzip(&inner)), GZIP), "tar.invalid");
    case.refuses(&blob(gzip(&zstd(&tar())), GZIP), "tar.invalid");
}

#[test]
fn n093_gzip_without_an_end() {
    // What a registry serves without an end is cut at the size of its descriptor (109). In an upload: members of a few
    // bytes of nothing, as far as an archive may go, and then a stream that decodes to itself would be one level.
    let case = Case::start();
    let empty = gzip(b"");
    let members = [gzip(&tar()), empty.repeat(1_000_000)].concat();
    case.gives(&blob(members, GZIP), &BOTH);
    let frames = [zstd(&tar()), zstd(b"").repeat(1_000_000)].concat();
    case.gives(&blob(frames, ZSTD), &BOTH);
    let skipped = [zstd(&tar()), skippable(b"", 0).repeat(1_000_000)].concat();
    case.gives(&blob(skipped, ZSTD), &BOTH);
    // Blocks of no bytes inside one member.
    let mut blocks = gzip(b"")[..10].to_vec();
    blocks.extend(std::iter::repeat_n([0, 0, 0, 0xff, 0xff], 2_000_000).flatten());
    case.refuses(&blob(blocks, GZIP), "layer.decompress");
}

#[test]
fn n094_a_media_type_that_lies() {
    let case = Case::start();
    for kind in [GZIP, ZSTD] {
        case.refuses(&blob(b"\xfd7zXZ\0\0\x04".to_vec(), kind), "layer.media_type");
        case.refuses(&blob(b"BZh91AY&SY".to_vec(), kind), "layer.media_type");
    }
    case.gives(&blob(zstd(&tar()), GZIP), &BOTH);
    case.gives(&blob(gzip(&tar()), ZSTD), &BOTH);
    case.gives(&blob(tar(), GZIP), &BOTH);
}

#[test]
fn a_compressed_stream_of_many_flushes_is_read() {
    let case = Case::start();
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for piece in tar().chunks(7) {
        out.write_all(piece).unwrap();
        out.flush().unwrap();
    }
    case.gives(&blob(out.finish().unwrap(), GZIP), &BOTH);
    assert_eq!(end().len(), 1024);
}
