//! Layers and stacks of layers, random ones and such as only a hand makes.

use tar::{EntryType, Header};
use testkit::image::{Packing, pack};
use testkit::stack::{Layer, Profile, nth};

use crate::joined;

/// Layers that are so small that a fuzzer runs many of them.
const SMALL: usize = 12 << 10;

/// Layers, each after the byte that tells how to read it.
pub(crate) fn layers() -> Vec<Vec<u8>> {
    let random = (0..120).flat_map(|n| nth(Profile::ANY, 7, n).layers).filter(|layer| !layer.ops.is_empty());
    let mut found: Vec<Vec<u8>> = Vec::new();
    for (n, tar) in random.map(|layer| layer.tar()).filter(|tar| tar.len() < SMALL).take(60).enumerate() {
        let packing = [Packing::Plain, Packing::Gzip, Packing::Zstd][n % 3];
        found.push(how(if packing == Packing::Plain { 3 } else { 2 }, &pack(&tar, packing)));
    }
    for tar in by_hand() {
        found.push(how(3, &tar));
        found.push(how(0, &pack(&tar, Packing::Gzip)));
    }
    let members = [pack(b"", Packing::Gzip), pack(&Layer::default().tar(), Packing::Gzip)].concat();
    let frames =
        [&b"\x50\x2a\x4d\x18\x04\0\0\0skip"[..], &pack(&Layer::default().tar(), Packing::Zstd)].concat();
    found.extend([how(2, &members), how(2, &frames), how(0, b"\x1f\x8b"), how(0, b"BZh9"), how(0, b"")]);
    found
}

/// Stacks of layers.
pub(crate) fn stacks() -> Vec<Vec<u8>> {
    let random = (0..2000).map(|n| joined(&nth(Profile::ANY, 9, n).tars()));
    let mut found: Vec<Vec<u8>> = random.filter(|input| input.len() < SMALL).take(150).collect();
    found.push(joined(&by_hand()[..4]));
    found
}

fn how(byte: u8, bytes: &[u8]) -> Vec<u8> {
    [&[byte], bytes].concat()
}

fn entry(header: &mut Header, kind: u8, name: &[u8], data: &[u8]) -> Vec<u8> {
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    header.set_size(data.len() as u64);
    header.set_cksum();
    let mut out = [header.as_bytes().as_slice(), data].concat();
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn ustar(kind: u8, name: &[u8], data: &[u8]) -> Vec<u8> {
    entry(&mut Header::new_ustar(), kind, name, data)
}

fn gnu(kind: u8, name: &[u8], data: &[u8]) -> Vec<u8> {
    entry(&mut Header::new_gnu(), kind, name, data)
}

fn by_hand() -> Vec<Vec<u8>> {
    let end = vec![0; 1024];
    let file = ustar(b'0', b"f", b"content");
    let long = [&[b'n'; 300][..], b"\0"].concat();
    // A map of one piece, five bytes at 512, of a file of 1,024.
    let mut old = Header::new_gnu();
    old.as_mut_bytes()[386..398].copy_from_slice(b"00000001000\0");
    old.as_mut_bytes()[398..410].copy_from_slice(b"00000000005\0");
    old.as_mut_bytes()[483..495].copy_from_slice(b"00000002000\0");
    let pax_0_0 = b"22 GNU.sparse.size=20\n26 GNU.sparse.numblocks=1\n23 GNU.sparse.offset=4\n25 GNU.sparse.numbytes=5\n";
    let pax_0_1 = b"22 GNU.sparse.size=20\n22 GNU.sparse.map=4,5\n21 GNU.sparse.name=r\n";
    let pax_1_0 =
        b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n26 GNU.sparse.realsize=20\n21 GNU.sparse.name=r\n";
    let mut map = b"1\n4\n5\n".to_vec();
    map.resize(512, 0);
    map.extend_from_slice(b"piece");
    let pax =
        b"13 path=long\n28 SCHILY.xattr.user.a=a\0\n=b\n19 mtime=-1.500000\n15 uid=3000000\n10 size=3\n";
    let mut base256 = Header::new_gnu();
    base256.set_device_major(0).unwrap();
    let mut big = ustar(b'0', b"huge", b"");
    big[124..136].copy_from_slice(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    let nested = [ustar(b'x', b"h", b"10 size=9\n"), ustar(b'0', b"tar", b""), file.clone()].concat();
    let parts: Vec<Vec<u8>> = vec![
        [gnu(b'L', b"././@LongLink", &long), gnu(b'0', b"short", b"x"), end.clone()].concat(),
        [gnu(b'K', b"././@LongLink", &long), gnu(b'2', b"short", b""), end.clone()].concat(),
        [ustar(b'x', b"h", pax), ustar(b'0', b"short", b"abc"), end.clone()].concat(),
        [ustar(b'g', b"g", b"13 path=long\n"), file.clone(), end.clone()].concat(),
        [entry(&mut old, b'S', b"sparse", b"piece"), end.clone()].concat(),
        [ustar(b'x', b"h", pax_0_0), ustar(b'0', b"GNUSparseFile.0/r", b"piece"), end.clone()].concat(),
        [ustar(b'x', b"h", pax_0_1), ustar(b'0', b"GNUSparseFile.0/r", b"piece"), end.clone()].concat(),
        [ustar(b'x', b"h", pax_1_0), ustar(b'0', b"GNUSparseFile.0/r", &map), end.clone()].concat(),
        [file.clone(), vec![0; 512], file.clone(), end.clone()].concat(),
        [file.clone(), end.clone(), b"junk".to_vec()].concat(),
        file[..600].to_vec(),
        [big, end.clone()].concat(),
        [nested, end.clone()].concat(),
        [entry(&mut base256, b'3', b"dev", b""), ustar(b'7', b"c", b"x"), ustar(0, b"v7/", b""), end]
            .concat(),
    ];
    parts
}
