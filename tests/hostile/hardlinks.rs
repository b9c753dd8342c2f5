//! 23 to 35: hardlinks.

use testkit::Image;
use testkit::image::{Layer, Packing};
use testkit::raw::{self, Header, dir, file, link, symlink};

use crate::case::Case;

fn three() -> Image {
    Image::new().layer(|l| l.file("t1", "old").link("t2", "t1").link("t3", "t1"))
}

#[test]
fn n023_a_target_overwritten_above() {
    let case = Case::start();
    case.gives(&three().layer(|l| l.file("t1", "new")), &["t1=new", "t2=old", "t3==t2"]);
}

#[test]
fn n024_a_target_deleted_above() {
    let case = Case::start();
    case.gives(&three().layer(|l| l.whiteout("t1")), &["t2=old", "t3==t2"]);
    case.gives(&three().layer(|l| l.whiteout("t1").whiteout("t2")), &["t3=old"]);
}

#[test]
fn n025_a_link_to_a_lower_layer() {
    let case = Case::start();
    let upper =
        raw::tar(&[Header::new("b", b'1').link("a").mode(0o4711).owner(5, 6).octal(136, 12, 99).block()]);
    let image = Image::new().layer(|l| l.xattr("a", "user.kept", b"yes")).raw_layer(upper);
    let live = case.gives(&image, &["a=with an attribute", "b==a"]);
    case.warned(&live, "another mode or owner");
    let tree = case.served(&live);
    let node = &tree[&b"a"[..]];
    assert_eq!((node.mode, node.uid, node.gid, node.mtime.as_str()), (0o4711, 5, 6, "99"));
    assert_eq!(node.xattrs[&b"user.kept"[..]], b"yes", "a link's header says nothing of attributes");
}

#[test]
fn n026_a_link_to_what_is_deleted_in_the_same_layer() {
    let case = Case::start();
    let lower = || Image::new().layer(|l| l.file("a", "1"));
    case.gives(&lower().layer(|l| l.whiteout("a").link("b", "a")), &["b=1"]);
    case.gives(&lower().layer(|l| l.link("b", "a").whiteout("a")), &["b=1"]);
    case.gives(&lower().layer(|l| l.whiteout("a").link("b", "a").file("a", "2")), &["a=2", "b=1"]);
    case.gives(&lower().layer(|l| l.whiteout("a").file("a", "2").link("b", "a")), &["a=2", "b==a"]);
}

#[test]
fn n027_a_link_before_its_target() {
    let case = Case::start();
    case.rejects(&[link("b", "a"), file("a", "1")], "hardlink.target_missing", 0);
}

#[test]
fn n028_a_link_to_nothing_or_itself() {
    let case = Case::start();
    case.rejects(&[link("a", "none")], "hardlink.target_missing", 0);
    case.rejects(&[link("a", "a")], "hardlink.target_missing", 0);
    case.rejects(&[dir("d"), file("a", "1"), link("a", "d/.././a")], "hardlink.target_missing", 2);
    case.rejects(&[link("a", "b"), link("b", "a")], "hardlink.target_missing", 0);
    case.rejects(&[link("a", "")], "tar.link_empty", 0);
}

#[test]
fn n029_a_link_to_a_directory() {
    let case = Case::start();
    for target in ["d", "/", ".", "d/e/..", "l/e"] {
        let parts = [dir("d"), dir("d/e"), symlink("l", "d"), link("x", target)];
        case.rejects(&parts, "hardlink.to_dir", 3);
    }
}

#[test]
fn n030_a_link_to_a_symlink() {
    let case = Case::start();
    let parts = [
        file("secret", "1"),
        symlink("l", "secret"),
        symlink("dead", "/none"),
        link("a", "l"),
        link("b", "dead"),
    ];
    case.reads(&parts, &["a==l", "b==dead", "dead->/none", "l->secret", "secret=1"]);
}

#[test]
fn n031_a_target_by_any_path() {
    let case = Case::start();
    for target in ["/d/a", "./d/a", "../../../d/a", "s/a", "d//a", "/s/../d/./a"] {
        let parts = [dir("d"), file("d/a", "1"), symlink("s", "/../d"), link("b", target)];
        case.reads(&parts, &["b==d/a", "d/", "d/a=1", "s->/../d"]);
    }
}

#[test]
fn n032_a_link_without_its_parents() {
    let case = Case::start();
    let live = case.reads(&[file("a", "1"), link("x/y/b", "a")], &["a=1", "x/", "x/y/", "x/y/b==a"]);
    let tree = case.served(&live);
    for parent in [&b"x"[..], b"x/y"] {
        let node = &tree[parent];
        assert_eq!((node.mode, node.uid, node.gid, node.mtime.as_str()), (0o755, 0, 0, "0"));
    }
}

#[test]
fn n033_a_chain_of_links() {
    let case = Case::start();
    let chain =
        |l: Layer| (1..=10).fold(l.file("l0", "1"), |l, n| l.link(&format!("l{n}"), &format!("l{}", n - 1)));
    let tree = case.flat(&Image::new().layer(chain));
    assert_eq!(tree.len(), 11);
    assert_eq!(tree.values().filter(|node| node.link == b"l0").count(), 10, "one inode");
}

#[test]
fn n034_a_hundred_thousand_links() {
    let case = Case::start();
    let many = |l: Layer| (0..100_000).fold(l.dir("d").file("a", "1"), |l, n| l.link(&format!("d/{n}"), "a"));
    let tree = case.flat(&Image::new().layer(many).packed(Packing::Zstd));
    assert_eq!(tree.values().filter(|node| node.link == b"a").count(), 100_000);
}

#[test]
fn n035_a_link_with_data() {
    let case = Case::start();
    let loud = Header::new("b", b'1').link("a").with(b"data");
    case.rejects(&[file("a", "1"), loud], "tar.link_with_data", 1);
    let by_pax = [raw::pax(&[("size", b"512")]), Header::new("b", b'1').link("a").followed_by(b"data")];
    case.rejects(&[file("a", "1"), by_pax.concat()], "tar.link_with_data", 1);
}

#[test]
fn links_hold_on_to_what_their_layer_replaces() {
    let case = Case::start();
    let parts =
        [file("a", "1"), link("b", "a"), file("a", "2"), link("c", "a"), link("d", "b"), link("b", "c")];
    let live = case.reads(&parts, &["a=2", "b==a", "c==a", "d=1"]);
    case.warned(&live, "`a`: it stands twice in one layer");
}

#[test]
fn attributes_of_links_add_up_within_limits() {
    let case = Case::start();
    let with = |from: usize| -> Vec<u8> {
        let names: Vec<String> = (from..from + 600).map(|n| format!("SCHILY.xattr.user.{n}")).collect();
        raw::pax(&names.iter().map(|name| (name.as_str(), &b"x"[..])).collect::<Vec<_>>())
    };
    let linked = |from| [with(0), file("a", "1"), with(from), link("b", "a")];
    let live = case.reads(&linked(300), &["a=1", "b==a"]);
    assert_eq!(case.served(&live)[&b"a"[..]].xattrs.len(), 900);
    // More than a reader takes for one entry would be an image that goes live and that nobody can pull.
    let refused = |parts: &[Vec<u8>], entry| {
        case.refuses_at(&Image::new().raw_layer(raw::tar(parts)), "xattr.too_many", 0, entry);
    };
    refused(&linked(600), 1);
    let large = |name: &str| raw::pax(&[(name, &[b'x'; 60_000])]);
    let links = (0..20).flat_map(|n| [large(&format!("SCHILY.xattr.user.{n}")), link(format!("l{n}"), "a")]);
    let parts: Vec<Vec<u8>> = [file("a", "1")].into_iter().chain(links).collect();
    refused(&parts, 18);
}

#[test]
fn links_to_an_inode_of_many_attributes_cost_little() {
    let case = Case::start();
    let names: Vec<String> = (0..900).map(|n| format!("SCHILY.xattr.user.{n}")).collect();
    let heavy = raw::pax(&names.iter().map(|name| (name.as_str(), &[b'x'; 1000][..])).collect::<Vec<_>>());
    let links = (0..50_000).map(|n| Header::new(n.to_string(), b'1').link("a").mode(n % 2).block());
    let parts: Vec<Vec<u8>> = [heavy, file("a", "1")].into_iter().chain(links).collect();
    let live = case.live(&Image::new().raw_layer(raw::tar(&parts)).packed(Packing::Zstd));
    assert!(live["flat"]["bytes_plain"].as_u64() < Some(200 << 20), "attributes are written once: {live}");
    let warnings = live["warnings"].as_array().unwrap();
    assert_eq!(warnings.last().unwrap().as_str(), Some("… and 49800 more warnings."));
    assert_eq!(warnings.len(), 201);
}
