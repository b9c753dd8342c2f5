//! 76 to 86: metadata.

use testkit::Image;
use testkit::raw::{self, Header, file, pax, symlink};

use crate::case::Case;

/// A file with these PAX records.
fn with(name: &str, records: &[(&str, &[u8])]) -> Vec<u8> {
    [pax(records), file(name, "")].concat()
}

#[test]
fn n076_large_owners() {
    let case = Case::start();
    let ids = [0o777_7777_u32, 0o1000_0000, 3_000_000, u32::MAX - 1];
    let by_pax = ids.map(|id| {
        with(&format!("p{id}"), &[("uid", id.to_string().as_bytes()), ("gid", id.to_string().as_bytes())])
    });
    let binary = ids.map(|id| {
        Header::new(format!("b{id}"), b'0').base256(108, 8, id.into()).base256(116, 8, id.into()).block()
    });
    // Eight octal digits, no room for a NUL.
    let full = Header::new("full", b'0').at(108, "77777777").at(116, "10000000").block();
    let tree = case.flat(&Image::new().raw_layer(raw::tar(&[by_pax.concat(), binary.concat(), full])));
    for id in ids {
        for kind in ["p", "b"] {
            let node = &tree[format!("{kind}{id}").as_bytes()];
            assert_eq!((node.uid, node.gid), (id, id));
        }
    }
    let node = &tree[&b"full"[..]];
    assert_eq!((node.uid, node.gid), (0o7777_7777, 0o1000_0000));
}

#[test]
fn n077_owners_that_cannot_be() {
    let case = Case::start();
    for id in ["4294967295", "4294967296", "-1", "root", "0x10", "1.5", " 1", "18446744073709551616"] {
        case.rejects(&[with("a", &[("uid", id.as_bytes())])], "tar.id_range", 0);
        case.rejects(&[with("a", &[("gid", id.as_bytes())])], "tar.id_range", 0);
    }
    for id in [i128::from(u32::MAX), 1 << 32, -1] {
        case.rejects(&[Header::new("a", b'0').base256(108, 8, id).block()], "tar.id_range", 0);
    }
    case.rejects(&[Header::new("a", b'0').at(116, "root\0\0\0\0").block()], "tar.id_range", 0);
}

#[test]
fn n078_times() {
    let case = Case::start();
    for (said, read) in [
        ("1700000000.123456789", "1700000000.123456789"),
        ("1700000000.1234567890123", "1700000000.123456789"),
        ("-1.5", "-1.5"),
        ("-0.5", "-0.5"),
        ("4294967296", "4294967296"),
        ("8589934592", "8589934592"),
        ("17179869184", "17179869184"),
        ("-17179869184", "-17179869184"),
    ] {
        assert_eq!(case.only(&[with("a", &[("mtime", said.as_bytes())])]).mtime, read);
    }
    let most = (1u64 << 34).to_string();
    for said in ["100000000000000000", "9223372036854775808", "17179869185"] {
        let live = case.reads(&[with("a", &[("mtime", said.as_bytes())])], &["a="]);
        case.warned(&live, "`a`: its time is too far from now");
        assert_eq!(case.served(&live)[&b"a"[..]].mtime, most, "{said}");
    }
    for said in ["-100000000000000000", "-9223372036854775807.5", "-9223372036854775808.9"] {
        let live = case.reads(&[with("a", &[("mtime", said.as_bytes())])], &["a="]);
        assert_eq!(case.served(&live)[&b"a"[..]].mtime, format!("-{most}"), "{said}");
    }
    let header = |n| Header::new("a", b'0').base256(136, 12, n).block();
    assert_eq!(case.only(&[header(-2)]).mtime, "-2");
    assert_eq!(case.only(&[header(-(1 << 70))]).mtime, format!("-{most}"));
    assert_eq!(case.only(&[header(1 << 70)]).mtime, most);
}

#[test]
fn n079_modes() {
    let case = Case::start();
    let modes = [0o4755, 0o2755, 0o1777, 0o7777, 0];
    let parts: Vec<Vec<u8>> =
        modes.iter().map(|mode| Header::new(format!("{mode:o}"), b'0').mode(*mode).block()).collect();
    let tree = case.flat(&Image::new().raw_layer(raw::tar(&parts)));
    for mode in modes {
        assert_eq!(tree[format!("{mode:o}").as_bytes()].mode, mode);
    }
    assert_eq!(
        case.only(&[Header::new("a", b'0').mode(0o107_4755).block()]).mode,
        0o4755,
        "what is above is no mode"
    );
    assert_eq!(case.only(&[Header::new("a", b'0').base256(100, 8, -1).block()]).mode, 0o7777);
    case.refuses_at(
        &Image::new().raw_layer(raw::tar(&[Header::new("a", b'0').at(100, "rwxr-xr").block()])),
        "tar.mode",
        0,
        0,
    );
}

#[test]
fn n080_attributes_are_bytes() {
    let case = Case::start();
    let v2 = [&[1, 0, 0, 2][..], &[0xff; 16]].concat();
    let v3 = [&[1, 0, 0, 3][..], &[0, 4, 0, 0], &[0; 12], &[0xe8, 3, 0, 0]].concat();
    for value in [v2.as_slice(), &v3, b"\0\n=\xff\0", b""] {
        let records = [("SCHILY.xattr.security.capability", value), ("SCHILY.xattr.user.x", value)];
        let node = case.only(&[with("a", &records)]);
        assert_eq!(node.xattrs[&b"security.capability"[..]], value);
        assert_eq!(node.xattrs[&b"user.x"[..]], value);
    }
    // A chown with each link takes a capability away, so each link tells it again.
    let records = [("SCHILY.xattr.security.capability", v2.as_slice()), ("SCHILY.xattr.user.x", b"once")];
    let tree = case.flat(&Image::new().raw_layer(raw::tar(&[with("a", &records), raw::link("b", "a")])));
    assert_eq!(tree[&b"a"[..]].xattrs.len(), 2);
    assert_eq!(tree[&b"b"[..]].xattrs[&b"security.capability"[..]], v2);
}

#[test]
fn n081_attributes_of_other_file_systems() {
    let case = Case::start();
    for name in ["trusted.overlay.opaque", "user.overlay.origin", "security.selinux"] {
        let records = [(&*format!("SCHILY.xattr.{name}"), &b"y"[..]), ("SCHILY.xattr.user.kept", b"1")];
        let live = case.reads(&[with("a", &records)], &["a="]);
        case.warned(&live, &format!("`a`: the extended attribute `{name}` is dropped"));
        assert_eq!(case.served(&live)[&b"a"[..]].xattrs.len(), 1);
    }
}

#[test]
fn n082_attributes_too_large_or_many() {
    let case = Case::start();
    let large = |n: usize| with("a", &[("SCHILY.xattr.user.a", &vec![b'x'; n])]);
    case.rejects(&[large(100_000)], "xattr.too_large", 0);
    case.rejects(&[large((64 << 10) + 1)], "xattr.too_large", 0);
    let many = |n: usize| {
        let names: Vec<String> = (0..n).map(|n| format!("SCHILY.xattr.user.{n}")).collect();
        with("a", &names.iter().map(|name| (name.as_str(), &b"x"[..])).collect::<Vec<_>>())
    };
    case.rejects(&[many(10_000)], "xattr.too_many", 0);
    case.rejects(&[many(2_000)], "xattr.too_many", 0);
    let long = format!("SCHILY.xattr.user.{}", "n".repeat(251));
    case.rejects(&[with("a", &[(&long, b"x")])], "xattr.name_invalid", 0);
    case.rejects(&[with("a", &[("SCHILY.xattr.", b"x")])], "xattr.name_invalid", 0);
    assert_eq!(case.only(&[large(64 << 10)]).xattrs[&b"user.a"[..]].len(), 64 << 10);
    assert_eq!(case.only(&[many(1_000)]).xattrs.len(), 1_000);
}

#[test]
fn n083_user_attributes_of_a_symlink() {
    let case = Case::start();
    let records: [(&str, &[u8]); 2] = [("SCHILY.xattr.user.a", b"1"), ("SCHILY.xattr.trusted.b", b"2")];
    let live = case.reads(&[pax(&records), symlink("l", "x")], &["l->x"]);
    case.warned(&live, "`l`: the extended attribute `user.a` is dropped");
    let kept: Vec<Vec<u8>> = case.served(&live)[&b"l"[..]].xattrs.keys().cloned().collect();
    assert_eq!(kept, [b"trusted.b"]);
}

#[test]
fn n084_attributes_in_another_form() {
    let case = Case::start();
    assert!(case.only(&[with("a", &[("LIBARCHIVE.xattr.user.a", b"eA==")])]).xattrs.is_empty());
}

#[test]
fn n085_devices_and_pipes() {
    let case = Case::start();
    let parts = [
        Header::new("null", b'3').device(1, 3).block(),
        Header::new("sda", b'4').device(8, 0).block(),
        Header::new("most", b'3').device(4095, 1_048_575).block(),
        Header::new("pipe", b'6').block(),
        Header::new("white", b'3').device(0, 0).block(),
        Header::new("zero", b'4').device(0, 0).block(),
    ];
    let live = case.reads(&parts, &["most c4095:1048575", "null c1:3", "pipe|", "sda b8:0", "zero b0:0"]);
    case.warned(&live, "`white`: a character device 0:0 is dropped");
    let refused = |header: Header, code| {
        case.refuses_at(&Image::new().raw_layer(raw::tar(&[header.block()])), code, 0, 0);
    };
    // Cut to the bits that Linux has, these would be other devices than they say.
    for (major, minor) in [(4096 + 1, 3), (8, 1 << 20), ((1 << 32) + 1, 3), (-1, 0)] {
        refused(Header::new("far", b'3').base256(329, 8, major).base256(337, 8, minor), "tar.device");
    }
    refused(Header::new("odd", b'4').at(329, "x"), "tar.device");
    refused(Header::new("socket", b's'), "tar.type");
}

#[test]
fn n086_names_of_owners() {
    let case = Case::start();
    let named = Header::new("a", b'0').owner(1000, 1001).at(265, "root").at(297, "root").block();
    let node = case.only(&[named]);
    assert_eq!((node.uid, node.gid), (1000, 1001));
    let node = case.only(&[with("a", &[("uname", b"root"), ("gname", b"root"), ("uid", b"1000")])]);
    assert_eq!((node.uid, node.gid), (1000, 0));
}
