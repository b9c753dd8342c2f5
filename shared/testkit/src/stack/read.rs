//! A small reader of flat tars: ustar and PAX, in the order they stand. It panics at anything else.

use std::collections::BTreeMap;

use super::{Meta, Tree, What, tree_of};

/// Reads a flat tar. Hardlinks must follow their targets, and no path may stand twice.
pub fn read_tar(tar: &[u8]) -> Tree {
    let mut rest = tar;
    let mut pax: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut inodes: Vec<(What, Meta)> = Vec::new();
    let mut names: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    loop {
        let (header, after) = rest.split_at(512);
        if header.iter().all(|byte| *byte == 0) {
            assert!(
                rest.len() == 1024 && after.iter().all(|byte| *byte == 0),
                "two blocks of zeros end a tar"
            );
            break;
        }
        assert_eq!(&header[257..265], b"ustar\x0000", "a ustar header");
        let sum = header.iter().map(|byte| u64::from(*byte)).sum::<u64>()
            - header[148..156].iter().map(|byte| u64::from(*byte)).sum::<u64>()
            + 8 * 32;
        assert_eq!(octal(&header[148..156]), sum, "the checksum");
        let size = number(&pax, b"size").unwrap_or(octal(&header[124..136]));
        let size = usize::try_from(size).expect("a size that fits");
        let data = &after[..size];
        rest = &after[size.next_multiple_of(512)..];
        assert!(after[size..size.next_multiple_of(512)].iter().all(|byte| *byte == 0), "padding of zeros");
        if header[156] == b'x' {
            pax = records(data);
            continue;
        }
        let said = std::mem::take(&mut pax);
        let path = said.get(&b"path"[..]).cloned().unwrap_or_else(|| text(&header[..100]).to_vec());
        let link = said.get(&b"linkpath"[..]).cloned().unwrap_or_else(|| text(&header[157..257]).to_vec());
        assert_eq!(text(&header[345..500]), b"", "no prefix");
        let path = if path == b"./" { Vec::new() } else { path.strip_suffix(b"/").unwrap_or(&path).to_vec() };
        let narrow = |n: u64| u32::try_from(n).expect("32 bits");
        let field = |from: usize| narrow(octal(&header[from..from + 8]));
        let what = match header[156] {
            b'0' => What::File(data.to_vec()),
            b'1' => What::Hardlink(link),
            b'2' => What::Symlink(link),
            b'3' => What::Char(field(329), field(337)),
            b'4' => What::Block(field(329), field(337)),
            b'5' => What::Dir,
            b'6' => What::Fifo,
            other => panic!("type {other}"),
        };
        let owner = |key: &[u8], from| number(&said, key).map_or_else(|| field(from), narrow);
        let meta = Meta {
            mode: field(100),
            uid: owner(b"uid", 108),
            gid: owner(b"gid", 116),
            mtime: said.get(&b"mtime"[..]).map_or_else(|| (seconds(&header[136..148]), 0), |text| time(text)),
            xattrs: said
                .iter()
                .filter_map(|(key, value)| {
                    Some((key.strip_prefix(b"SCHILY.xattr.")?.to_vec(), value.clone()))
                })
                .collect(),
        };
        let inode = match &what {
            What::Hardlink(target) => {
                let inode = *names.get(target).expect("a link follows its target");
                assert_eq!(inodes[inode].1, meta, "a link says what its inode is");
                inode
            }
            _ => {
                inodes.push((what, meta));
                inodes.len() - 1
            }
        };
        assert!(names.insert(path.clone(), inode).is_none(), "`{}` stands twice", path.escape_ascii());
    }
    tree_of(names.iter().map(|(path, id)| (path.as_slice(), *id)), |id| inodes[id].clone())
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn octal(field: &[u8]) -> u64 {
    let text = std::str::from_utf8(text(field)).expect("octal text").trim();
    u64::from_str_radix(text, 8).expect("an octal number")
}

fn seconds(field: &[u8]) -> i64 {
    i64::try_from(octal(field)).expect("33 bits")
}

fn number(pax: &BTreeMap<Vec<u8>, Vec<u8>>, key: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(pax.get(key)?).expect("decimal text");
    Some(text.parse().expect("a decimal number"))
}

fn time(text: &[u8]) -> (i64, u32) {
    let text = std::str::from_utf8(text).expect("decimal text");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let (sign, whole) = whole.strip_prefix('-').map_or((1, whole), |whole| (-1, whole));
    let whole: i128 = whole.parse().expect("seconds");
    let fraction: i128 = format!("{fraction:0<9}").parse().expect("nanoseconds");
    let all = sign * (whole * 1_000_000_000 + fraction);
    let seconds = i64::try_from(all.div_euclid(1_000_000_000)).expect("64 bits");
    (seconds, u32::try_from(all.rem_euclid(1_000_000_000)).expect("nanoseconds"))
}

fn records(mut block: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    while !block.is_empty() {
        let space = block.iter().position(|byte| *byte == b' ').expect("a length");
        let length: usize = std::str::from_utf8(&block[..space]).expect("digits").parse().expect("digits");
        let body = block[space + 1..length].strip_suffix(b"\n").expect("a newline ends a record");
        let equals = body.iter().position(|byte| *byte == b'=').expect("a key");
        let twice = found.insert(body[..equals].to_vec(), body[equals + 1..].to_vec());
        assert!(twice.is_none(), "a key stands twice");
        block = &block[length..];
    }
    found
}
