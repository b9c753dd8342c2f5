//! 36 to 54: paths.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use testkit::Image;
use testkit::image::Packing;
use testkit::raw::{self, Header, dir, file, pax, symlink};

use crate::case::Case;

/// A file whose path is told by PAX.
fn long(path: impl AsRef<[u8]>, data: &str) -> Vec<u8> {
    [pax(&[("path", path.as_ref())]), file("short", data)].concat()
}

#[test]
fn n036_one_path_in_many_spellings() {
    let case = Case::start();
    let live = case.reads(
        &[
            file("./a", "1"),
            file("a", "2"),
            file("//a", "3"),
            dir("d"),
            file("d/./c", "1"),
            file("d//b", "1"),
        ],
        &["a=3", "d/", "d/b=1", "d/c=1"],
    );
    case.warned(&live, "`a`: it stands twice in one layer");
}

#[test]
fn n037_a_path_that_climbs_within() {
    let case = Case::start();
    case.reads(&[file("d/../e", "1")], &["e=1"]);
}

#[test]
fn n038_a_path_that_leads_out() {
    let case = Case::start();
    for path in ["../x", "d/../../x", "/../x", "d/..", ".."] {
        case.rejects(&[file("a", ""), file(path, "1")], "path.escape", 1);
    }
}

#[test]
fn n039_an_absolute_path() {
    let case = Case::start();
    case.reads(&[file("/etc/x", "1")], &["etc/", "etc/x=1"]);
}

#[test]
fn n040_a_file_with_a_slash() {
    let case = Case::start();
    case.reads(&[file("a/", "1"), Header::new("b/", 0).v7().block()], &["a=1", "b/"]);
    case.refuses_at(
        &Image::new().raw_layer(raw::tar(&[Header::new("a/", 0).v7().with(b"1")])),
        "tar.dir_with_data",
        0,
        0,
    );
}

#[test]
fn n041_a_root_that_is_no_directory() {
    let case = Case::start();
    for entry in [
        file(".", "1"),
        file("", "1"),
        file("/", ""),
        symlink(".", "/etc"),
        Header::new("./", b'6').block(),
        dir(""),
    ] {
        case.rejects(&[file("a", ""), entry], "path.root_type", 1);
    }
    case.rejects(&[file("a", ""), raw::link(".", "a")], "path.root_type", 1);
}

#[test]
fn n042_a_root_with_attributes() {
    let case = Case::start();
    let root = Header::new("./", b'5').mode(0o700).owner(3, 4).octal(136, 12, 77).block();
    let live = case.reads(&[root, dir("d"), file("e/f", "1")], &["/", "d/", "e/", "e/f=1"]);
    let tree = case.served(&live);
    let of = |path: &[u8]| (tree[path].mode, tree[path].uid, tree[path].gid, tree[path].mtime.clone());
    assert_eq!(of(b""), (0o700, 3, 4, "77".to_owned()));
    assert_eq!(of(b"d"), (0o755, 0, 0, "1".to_owned()));
    assert_eq!(of(b"e"), (0o755, 0, 0, "0".to_owned()));
}

#[test]
fn n043_a_symlink_named_dot_dot() {
    let case = Case::start();
    case.rejects(&[symlink("..", "etc")], "path.escape", 0);
    case.rejects(&[dir("localetc"), symlink("localetc/sub/..", "/etc")], "path.escape", 1);
}

#[test]
fn n044_a_write_through_symlinks() {
    let case = Case::start();
    let canary = tempfile::tempdir().unwrap();
    let victim = canary.path().join("x");
    fs::write(&victim, "untouched").unwrap();
    // The host's own path, climbed to from anywhere.
    let host = canary.path().to_str().unwrap().trim_start_matches('/');
    let up = format!("{}{host}", "../".repeat(20));
    let parts = [
        symlink("root", "/"),
        file("root/a", "1"),
        symlink("up", &up),
        file("up/x", "2"),
        symlink("abs", format!("/{host}")),
        file("abs/y", "3"),
    ];
    let tree = case.flat(&Image::new().raw_layer(raw::tar(&parts)));
    let content = |path: &str| tree[path.as_bytes()].content.as_slice();
    assert_eq!(
        (content("a"), content(&format!("{host}/x")), content(&format!("{host}/y"))),
        (&b"1"[..], &b"2"[..], &b"3"[..])
    );
    assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    assert_eq!(fs::read_dir(canary.path()).unwrap().count(), 1);
}

#[test]
fn n045_a_symlink_loop_as_a_parent() {
    let case = Case::start();
    case.rejects(&[symlink("a", "b"), symlink("b", "a"), file("a/x", "1")], "path.symlink_loop", 2);
    case.rejects(&[symlink("self", "self"), file("self/x", "1")], "path.symlink_loop", 1);
    // The kernel follows forty links, and so do we.
    let chain = |n: usize| -> Vec<Vec<u8>> {
        let links = (1..n).map(|n| symlink(format!("l{n}"), format!("l{}", n - 1)));
        [symlink("l0", "d")].into_iter().chain(links).chain([file(format!("l{}/x", n - 1), "1")]).collect()
    };
    case.rejects(&chain(41), "path.symlink_loop", 41);
    assert_eq!(case.flat(&Image::new().raw_layer(raw::tar(&chain(40))))[&b"d/x"[..]].content, b"1");
}

#[test]
fn n046_a_directory_over_a_symlink_to_the_host() {
    let case = Case::start();
    let canary = tempfile::tempdir().unwrap();
    fs::set_permissions(canary.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let parts = [symlink("l", canary.path().to_str().unwrap()), Header::new("l", b'5').mode(0o777).block()];
    case.reads(&parts, &["l/"]);
    assert_eq!(fs::metadata(canary.path()).unwrap().permissions().mode() & 0o7777, 0o711);
}

#[test]
fn n047_a_symlink_to_the_root_overridden() {
    let case = Case::start();
    case.reads(
        &[symlink("foo", "/"), file("foo/tmp/b", "1"), dir("foo"), file("foo/c", "2")],
        &["foo/", "foo/c=2", "tmp/", "tmp/b=1"],
    );
}

#[test]
fn n048_a_component_too_long() {
    let case = Case::start();
    case.refuses_at(&Image::new().raw_layer(raw::tar(&[long("a".repeat(256), "")])), "path.too_long", 0, 0);
    case.rejects(
        &[symlink("l", "b".repeat(90)), long(["d/", &"a".repeat(256)].concat(), "")],
        "path.too_long",
        1,
    );
    // By a link's target: a component that no file system takes must not be made either.
    let target = [pax(&[("linkpath", "c".repeat(256).as_bytes())]), symlink("l", "short")].concat();
    case.rejects(&[target, file("l/x", "1")], "path.too_long", 1);
    let name = "a".repeat(255);
    assert!(case.flat(&Image::new().raw_layer(raw::tar(&[long(&name, "1")]))).contains_key(name.as_bytes()));
}

#[test]
fn n049_a_path_too_long_or_deep() {
    let case = Case::start();
    let whole = vec!["a".repeat(255); 16].join("/");
    assert_eq!(whole.len(), 4095);
    case.rejects(&[long(format!("{whole}/b"), "")], "path.too_long", 0);
    case.rejects(&[long(vec!["abcd"; 1000].join("/"), "")], "path.too_long", 0);
    case.rejects(&[long("a/".repeat(2500), "")], "path.too_long", 0);
    case.rejects(&[long("a/".repeat(256) + "b", "")], "path.too_long", 0);
    let deep = "a/".repeat(255) + "b";
    let tree = case.flat(&Image::new().raw_layer(raw::tar(&[long(&whole, "1"), long(&deep, "2")])));
    assert!(tree.contains_key(whole.as_bytes()) && tree.contains_key(deep.as_bytes()));
    // Through a link a short path is a long one.
    let lead = [symlink("l", "/a"), long("a/".repeat(200), ""), symlink("m", "/x")];
    let below = format!("l/{}b", "x/".repeat(256));
    let below = [pax(&[("path", below.as_bytes())]), file("x", "")].concat();
    case.refuses_at(
        &Image::new().raw_layer(raw::tar(&[&lead[..], &[below]].concat())),
        "path.too_long",
        0,
        3,
    );
}

#[test]
fn n050_names_that_are_not_text() {
    let case = Case::start();
    let live = case.reads(
        &[file(b"raw\xff", "1"), long(b"pax\xfe\x80", "2"), file(b"raw\xff", "3")],
        &["pax\\xfe\\x80=2", "raw\\xff=3"],
    );
    case.warned(&live, "`raw\\xff`: it stands twice");
}

#[test]
fn n051_names_that_would_move_a_terminal() {
    let case = Case::start();
    for name in ["a\u{1b}[2J\n", "%s\"'\\", "tab\tcr\r", "right\u{202e}to left"] {
        let tree = case.flat(&Image::new().raw_layer(raw::tar(&[file(name, "1")])));
        assert_eq!(tree[name.as_bytes()].content, b"1");
    }
    let live =
        case.live(&Image::new().raw_layer(raw::tar(&[file("a\u{1b}[2J\n", "1"), file("a\u{1b}[2J\n", "2")])));
    case.warned(&live, "`a\\u{1b}[2J\\n`: it stands twice");
    // `refuses` looks for control characters in all that is said.
    let bad = [symlink("x\u{1b}[31m", "x\u{1b}[31m"), file("x\u{1b}[31m/\u{9b}y", "")];
    let image = case.refuses(&Image::new().raw_layer(raw::tar(&bad)), "path.symlink_loop");
    assert!(image["state"]["error"]["message"].as_str().unwrap().contains("x\\u{1b}[31m/\\u{9b}y"));
    case.refuses_at(&Image::new().raw_layer(raw::tar(&[long("a\0b", "")])), "tar.pax_malformed", 0, 0);
    // A header's name ends at its first NUL, whatever stands behind it.
    case.reads(&[Header::new("a\0../../b", b'0').block()], &["a="]);
}

#[test]
fn n052_names_that_look_alike() {
    let case = Case::start();
    let names = ["e\u{301}", "\u{e9}", "A", "a"];
    let tree = case.flat(&Image::new().raw_layer(raw::tar(&names.map(|name| file(name, name)))));
    assert_eq!(tree.len(), 4);
    assert!(names.iter().all(|name| tree[name.as_bytes()].content == name.as_bytes()));
}

#[test]
fn n053_names_that_end_with_a_blank_or_dot() {
    let case = Case::start();
    case.reads(
        &[file("a", "1"), file("a ", "2"), file("a.", "3"), file(" a", "4"), file("...", "5")],
        &[" a=4", "...=5", "a=1", "a =2", "a.=3"],
    );
}

#[test]
fn n054_a_million_files_in_one_directory() {
    let case = Case::start().within((128 << 20) + 500 * 1_000_000, Duration::from_secs(120));
    let mut tar = dir("d");
    for n in 0..1_000_000 {
        tar.extend_from_slice(&Header::new(format!("d/{n}"), b'0').block());
    }
    tar.extend_from_slice(&raw::end());
    let live = case.live(&Image::new().raw_layer(tar).packed(Packing::Zstd));
    assert_eq!(live["flat"]["entries"], 1_000_001);
    eprintln!("a million entries: {} bytes of memory at most", case.factory.peak_memory());
}

#[test]
fn two_hundred_thousand_entries_of_every_kind() {
    let case = Case::start();
    let mut tar = Vec::new();
    for n in 0..50_000_u32 {
        let own = Header::new(format!("d{n}"), b'5').owner(n, n + 1).octal(136, 12, n.into());
        tar.extend_from_slice(&own.block());
        let data = format!("content of {n}");
        tar.extend_from_slice(
            &Header::new(format!("d{n}/file"), b'0')
                .owner(n, 0)
                .octal(136, 12, n.into())
                .with(data.as_bytes()),
        );
        tar.extend_from_slice(&symlink(format!("d{n}/symlink"), "file"));
        tar.extend_from_slice(&raw::link(format!("d{n}/hardlink"), format!("d{n}/file")));
    }
    tar.extend_from_slice(&raw::end());
    let live = case.live(&Image::new().raw_layer(tar).packed(Packing::Zstd));
    assert_eq!(live["flat"]["entries"], 200_000);
    eprintln!("200,000 entries: {} bytes of memory at most", case.factory.peak_memory());
}
