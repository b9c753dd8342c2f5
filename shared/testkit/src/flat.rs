//! A flat layer, read by code that shares nothing with the factory's: ustar headers, PAX records, and a refusal of
//! whatever a flat layer must not hold.

use std::collections::BTreeMap;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The type flag: `0` file, `1` hardlink, `2` symbolic link, `3` and `4` devices, `5` directory, `6` pipe.
    pub kind: char,
    /// The twelve permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970, as written: `1.5`, `-3`.
    pub mtime: String,
    /// Extended attributes by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Where a link leads.
    pub link: Vec<u8>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// The content of a file.
    pub content: Vec<u8>,
}

/// Path to what stands there, without a slash at either end; the root is the empty path.
pub type Tree = BTreeMap<Vec<u8>, Node>;

/// Reads an uncompressed flat layer.
///
/// # Panics
/// When it is no tar, or not flat: a path twice, a marker, a hardlink before its target, anything but zeros at the end.
pub fn read(tar: &[u8]) -> Tree {
    let mut tree = Tree::new();
    let mut pax: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut at = 0;
    loop {
        let header = &tar[at..at + 512];
        at += 512;
        if header.iter().all(|b| *b == 0) {
            assert_eq!(tar.len() - at, 512, "an archive ends with two blocks of zeros");
            assert!(tar[at..].iter().all(|b| *b == 0) && pax.is_empty(), "an archive ends with zeros");
            return tree;
        }
        assert_eq!(&header[257..265], b"ustar\x0000", "a ustar header");
        let sum: u64 = header
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u64::from(*b) })
            .sum();
        assert_eq!(number(&header[148..156]), sum, "a header's checksum");
        let said = |key: &str| pax.get(key.as_bytes()).map(Vec::as_slice);
        let decimal =
            |key: &str| said(key).map(|v| String::from_utf8_lossy(v).parse::<u64>().expect("a number"));
        let size = decimal("size").unwrap_or_else(|| number(&header[124..136]));
        let size = usize::try_from(size).expect("a size");
        let data = &tar[at..at + size];
        at += size.next_multiple_of(512);
        if header[156] == b'x' {
            records(data, &mut pax);
            continue;
        }
        let id = |key: &str, field: &[u8]| {
            u32::try_from(decimal(key).unwrap_or_else(|| number(field))).expect("an id")
        };
        let path = said("path").map_or_else(|| name(header), <[u8]>::to_vec);
        let path = path.strip_prefix(b"./").unwrap_or(&path);
        let path = path.strip_suffix(b"/").unwrap_or(path).to_vec();
        let node = Node {
            kind: char::from(header[156]),
            mode: u32::try_from(number(&header[100..108])).expect("a mode"),
            uid: id("uid", &header[108..116]),
            gid: id("gid", &header[116..124]),
            mtime: said("mtime").map_or_else(
                || number(&header[136..148]).to_string(),
                |text| String::from_utf8_lossy(text).into_owned(),
            ),
            xattrs: pax
                .iter()
                .filter_map(|(k, v)| Some((k.strip_prefix(b"SCHILY.xattr.")?.to_vec(), v.clone())))
                .collect(),
            link: said("linkpath").map_or_else(|| text(&header[157..257]).to_vec(), <[u8]>::to_vec),
            device: match header[156] {
                b'3' | b'4' => (small(&header[329..337]), small(&header[337..345])),
                _ => (0, 0),
            },
            content: data.to_vec(),
        };
        let last = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
        assert!(!last.starts_with(b".wh."), "a marker in a flat layer: {}", path.escape_ascii());
        assert!("0123456".contains(node.kind), "the type {} in a flat layer", node.kind);
        if node.kind == '1' {
            assert!(
                tree.contains_key(&node.link),
                "a hardlink stands before its target: {}",
                path.escape_ascii()
            );
        }
        let shown = path.escape_ascii().to_string();
        assert!(tree.insert(path, node).is_none(), "`{shown}` stands twice in a flat layer");
        pax.clear();
    }
}

fn records(mut data: &[u8], pax: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
    while !data.is_empty() {
        let space = data.iter().position(|b| *b == b' ').expect("a record's length");
        let length: usize = String::from_utf8_lossy(&data[..space]).parse().expect("a record's length");
        let body = data[space + 1..length].strip_suffix(b"\n").expect("a record ends its line");
        let equals = body.iter().position(|b| *b == b'=').expect("a record has a value");
        pax.insert(body[..equals].to_vec(), body[equals + 1..].to_vec());
        data = &data[length..];
    }
}

fn name(header: &[u8]) -> Vec<u8> {
    let (name, prefix) = (text(&header[..100]), text(&header[345..500]));
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or_default()
}

/// Octal digits, or base 256.
fn number(field: &[u8]) -> u64 {
    if field[0] & 0x80 != 0 {
        return field.iter().skip(1).fold(u64::from(field[0] & 0x7f), |value, b| value << 8 | u64::from(*b));
    }
    let digits = String::from_utf8_lossy(text(field)).trim().to_owned();
    if digits.is_empty() { 0 } else { u64::from_str_radix(&digits, 8).expect("octal digits") }
}

fn small(field: &[u8]) -> u32 {
    u32::try_from(number(field)).expect("a device number")
}
