//! Names, types, contents, targets and metadata to choose from.

use super::choose::Choose;
use super::{Meta, Profile, What};

const LONG: &[u8] = &[b'n'; 120];

/// The last component of a path. What is called `d` or `e` is mostly a directory, `l` mostly a symbolic link.
pub(super) fn name(c: &mut Choose<'_>, profile: Profile) -> &'static [u8] {
    let plain: &[&'static [u8]] = &[b"a", b"b", b"c", b"d", b"e", b"l", b"a", b"b", b"d", b"foo.wh.bar"];
    let odd: &[&'static [u8]] = &[b"\xff\xfe", b"new\nline", LONG, b"a ", "é".as_bytes(), b"\x1b[1m%\""];
    let n = c.below(110);
    if n >= 100 && profile.names { odd[(n - 100) % odd.len()] } else { plain[n % plain.len()] }
}

pub(super) fn what(c: &mut Choose<'_>, profile: Profile, name: &[u8]) -> What {
    let n = c.below(100);
    let mut what = match (name, n) {
        (b"d" | b"e", 0..94) => What::Dir,
        (b"d" | b"e", 94..97) => return if profile.through { symlink(c) } else { What::Dir },
        (b"l", 0..10) => What::Dir,
        (b"l", 10..97) => return symlink(c),
        (_, 0..45) => What::File(Vec::new()),
        (_, 45..65) => What::Hardlink(Vec::new()),
        (_, 65..78) => return symlink(c),
        (_, 78..84) => What::Fifo,
        (_, 84..89) => What::Char(c.of(&[1, 5, 0]), c.of(&[3, 0, 7])),
        (_, 89..92) => What::Block(8, c.of(&[0, 300])),
        _ => What::Dir,
    };
    if what == What::Char(0, 0) && !profile.odd {
        what = What::Char(1, 3);
    }
    if let What::File(data) = &mut what {
        let contents: &[&[u8]] = &[b"one", b"", b"two", b"one", &[0; 512], &[7; 1300]];
        *data = c.of(contents).to_vec();
    }
    what
}

fn symlink(c: &mut Choose<'_>) -> What {
    let targets: &[&[u8]] = &[
        b"a",
        b"d",
        b"/d",
        b"../e",
        b"d/e",
        b"/",
        b"..",
        b"../../../../d",
        b"nowhere",
        b"/nowhere/deep",
        b"l",
        b"/e/../d",
        b"./e//",
        b"/e/l",
        b"\xff/\n",
        LONG,
        b"d",
        b"e",
    ];
    let n = c.below(400);
    // Where links lead, there may be names that no archive may have.
    let odd: &[u8] = if n == 399 { b"/.wh.d/e" } else { &[b'x'; 256] };
    What::Symlink(if n >= 398 { odd } else { targets[n % targets.len()] }.to_vec())
}

pub(super) fn meta(c: &mut Choose<'_>, profile: Profile, what: &What) -> Meta {
    let modes: &[u32] = match what {
        What::Symlink(_) => &[0o777],
        What::Dir => &[0o755, 0o1777, 0o700, 0o2755, 0],
        _ => &[0o644, 0o755, 0o4755, 0o2711, 0o6777, 0],
    };
    let ids = &[0, 1000, 65_534, 2_097_151, 2_097_152, 4_294_967_294];
    let n = c.below(36);
    let mut times =
        vec![(1, 0), (1_700_000_000, 123_456_789), (1_700_000_000, 0), (-5, 500_000_000), (-1, 0)];
    if !profile.old_times {
        times.retain(|time| time.0 >= 0);
    }
    if profile.odd {
        times.extend([(8_589_934_592, 1), (17_179_869_184, 0), (17_179_869_185, 5), (-17_179_869_185, 7)]);
    }
    let mut meta = Meta { mode: c.of(modes), uid: ids[n % 6], gid: ids[n / 6], ..Meta::default() };
    meta.mtime = times[c.below(times.len() * 2) % times.len()];
    if profile.xattrs {
        xattrs(c, profile, what, &mut meta);
    }
    meta
}

fn xattrs(c: &mut Choose<'_>, profile: Profile, what: &What, meta: &mut Meta) {
    const CAPABILITY: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut add = |name: &[u8], value: &[u8]| meta.xattrs.insert(name.to_vec(), value.to_vec());
    let n = c.below(32);
    // File systems keep `user` attributes only on files and directories.
    let user = matches!(what, What::File(_) | What::Dir | What::Hardlink(_)) || profile.odd;
    if n & 7 == 7 && user {
        add(b"user.a", b"v\0\n\xff=v");
        if n > 16 {
            add(b"user.b", b"b");
        }
    }
    if n == 6 && matches!(what, What::File(_)) {
        add(b"security.capability", CAPABILITY);
    }
    if n == 14 {
        add(b"trusted.t", b"t");
    }
    if n == 22 && profile.odd {
        add(b"trusted.overlay.opaque", b"y");
        add(b"user.overlay.x", b"y");
        add(b"security.selinux", b"label\0");
        add(b"user.empty", b"");
    }
}

/// A path as an archive may have it.
pub(super) fn written(c: &mut Choose<'_>, path: &[u8], dir: bool) -> Vec<u8> {
    let slash: &[u8] = if dir { b"/" } else { b"" };
    match c.below(16) {
        8 => [b"./", path, slash].concat(),
        9 => [b"/", path, slash].concat(),
        10 => [b"x/../", path].concat(),
        11 => [b".//", path, slash].concat(),
        12 => match path.iter().position(|byte| *byte == b'/') {
            Some(at) => [&path[..at], b"/./", &path[at..], slash].concat(),
            None => [path, b"/"].concat(),
        },
        13.. => [path, slash].concat(),
        _ => path.to_vec(),
    }
}
