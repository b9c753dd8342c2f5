//! A flat tar as a tree of inodes.

use std::collections::BTreeMap;

use super::{Meta, Tree, What, tree_of};
use crate::flat;

/// Reads a flat tar. A hardlink says what its inode is; its attributes may be left to the first name.
///
/// # Panics
/// When the tar is not flat, or a link says something else than its inode.
pub fn read_tar(tar: &[u8]) -> Tree {
    let nodes = flat::read(tar);
    let mut inodes: Vec<(What, Meta)> = Vec::new();
    let mut names: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (path, node) in nodes.iter().filter(|(_, node)| node.kind != '1') {
        names.insert(path, inodes.len());
        inodes.push((what(node), meta(node)));
    }
    for (path, node) in nodes.iter().filter(|(_, node)| node.kind == '1') {
        let inode = *names.get(&node.link[..]).expect("a link leads to the first name of its inode");
        let (said, whole) = (meta(node), &inodes[inode].1);
        assert!(said.xattrs.iter().all(|(name, value)| whole.xattrs.get(name) == Some(value)));
        assert_eq!(Meta { xattrs: whole.xattrs.clone(), ..said }, *whole, "a link says what its inode is");
        names.insert(path, inode);
    }
    tree_of(names.iter().map(|(path, id)| (*path, *id)), |id| inodes[id].clone())
}

fn what(node: &flat::Node) -> What {
    let (major, minor) = node.device;
    match node.kind {
        '0' => What::File(node.content.clone()),
        '2' => What::Symlink(node.link.clone()),
        '3' => What::Char(major, minor),
        '4' => What::Block(major, minor),
        '5' => What::Dir,
        _ => What::Fifo,
    }
}

fn meta(node: &flat::Node) -> Meta {
    let flat::Node { mode, uid, gid, mtime, xattrs, .. } = node.clone();
    Meta { mode, uid, gid, mtime: time(&mtime), xattrs }
}

/// Seconds, rounded down, and nanoseconds.
fn time(text: &str) -> (i64, u32) {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let (sign, whole) = whole.strip_prefix('-').map_or((1, whole), |whole| (-1, whole));
    let whole: i128 = whole.parse().expect("seconds");
    let fraction: i128 = format!("{fraction:0<9}").parse().expect("nanoseconds");
    let all = sign * (whole * 1_000_000_000 + fraction);
    let seconds = i64::try_from(all.div_euclid(1_000_000_000)).expect("64 bits");
    (seconds, u32::try_from(all.rem_euclid(1_000_000_000)).expect("nanoseconds"))
}
