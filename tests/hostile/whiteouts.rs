//! 1 to 22: whiteouts, and layers on layers.

use testkit::image::Layer;
use testkit::raw::{self, Header, dir, file};
use testkit::{Image, image};

use crate::case::Case;

/// A directory with something in it.
fn old() -> Image {
    Image::new().layer(|l| l.dir("d").file("d/old", "1").dir("d/sub").file("d/sub/x", "1"))
}

#[test]
fn n001_an_opaque_marker_first() {
    let case = Case::start();
    case.gives(&old().layer(|l| l.opaque("d").file("d/new", "2").dir("d/sub")), &["d/", "d/new=2", "d/sub/"]);
}

#[test]
fn n002_an_opaque_marker_last() {
    let case = Case::start();
    let first = case
        .gives(&old().layer(|l| l.opaque("d").file("d/new", "2").dir("d/sub")), &["d/", "d/new=2", "d/sub/"]);
    let last = case.live(&old().layer(|l| l.file("d/new", "2").dir("d/sub").opaque("d")));
    assert_eq!(last["flat"]["certificate"], first["flat"]["certificate"], "the marker's place tells nothing");
    let twice = case.live(&old().layer(|l| l.opaque("d").file("d/new", "2").opaque("d").dir("d/sub")));
    assert_eq!(twice["flat"]["certificate"], first["flat"]["certificate"]);
}

#[test]
fn n003_an_opaque_marker_without_its_directory() {
    let case = Case::start();
    let lower = raw::tar(&[Header::new("d", b'5').mode(0o2750).owner(7, 8).block(), file("d/old", "1")]);
    let tree = case.flat(&Image::new().raw_layer(lower).layer(|l| l.opaque("d")));
    let node = &tree[&b"d"[..]];
    assert_eq!((tree.len(), node.mode, node.uid, node.gid), (1, 0o2750, 7, 8));
}

#[test]
fn n004_an_opaque_root() {
    let case = Case::start();
    case.gives(&old().layer(|l| l.file(".wh..wh..opq", "").file("new", "2")), &["new=2"]);
}

#[test]
fn n005_an_opaque_marker_in_the_bottom_layer() {
    let case = Case::start();
    case.gives(&Image::new().layer(|l| l.dir("d").file("d/a", "1").opaque("d")), &["d/", "d/a=1"]);
}

#[test]
fn n006_an_opaque_marker_in_a_directory_that_is_nowhere() {
    let case = Case::start();
    case.gives(&old().layer(|l| l.opaque("none/at/all").whiteout("d")), &[]);
}

#[test]
fn n007_an_opaque_marker_at_a_symlink() {
    let case = Case::start();
    let lower = || old().layer(|l| l.symlink("l", "d"));
    let kept = ["d/", "d/old=1", "d/sub/", "d/sub/x=1"];
    let replaced = [&kept[..], &["l/", "l/new=2"]].concat();
    case.gives(&lower().layer(|l| l.dir("l").opaque("l").file("l/new", "2")), &replaced);
    case.gives(&lower().layer(|l| l.opaque("l").dir("l").file("l/new", "2")), &replaced);
    case.gives(&lower().layer(|l| l.opaque("l")), &[&kept[..], &["l->d"]].concat());
}

#[test]
fn n008_explicit_whiteouts() {
    let case = Case::start();
    let lower = || old().layer(|l| l.file("f", "1").symlink("l", "f"));
    case.gives(&lower().layer(|l| l.whiteout("f")), &["d/", "d/old=1", "d/sub/", "d/sub/x=1", "l->f"]);
    case.gives(&lower().layer(|l| l.whiteout("d")), &["f=1", "l->f"]);
    case.gives(&lower().layer(|l| l.whiteout("l").whiteout("d")), &["f=1"]);
}

#[test]
fn n009_a_whiteout_of_what_is_missing() {
    let case = Case::start();
    case.gives(
        &Image::new().layer(|l| l.file("a", "1")).layer(|l| l.whiteout("b").whiteout("c/d").whiteout("a/b")),
        &["a=1"],
    );
}

#[test]
fn n010_a_whiteout_around_what_comes_again() {
    let case = Case::start();
    let again: [fn(Layer) -> Layer; 4] = [
        |l| l.whiteout("d").file("d", "new"),
        |l| l.file("d", "new").whiteout("d"),
        |l| l.whiteout("d").dir("d").file("d/y", "new"),
        |l| l.dir("d").file("d/y", "new").whiteout("d"),
    ];
    for (place, upper) in again.into_iter().enumerate() {
        let expected: &[&str] = if place < 2 { &["d=new"] } else { &["d/", "d/y=new"] };
        case.gives(&old().layer(upper), expected);
    }
}

#[test]
fn n011_a_whiteout_below_a_symlinked_parent() {
    let case = Case::start();
    case.gives(
        &Image::new()
            .layer(|l| l.dir("etc").file("etc/p", "1").file("etc/q", "1").symlink("l", "/etc"))
            .layer(|l| l.whiteout("l/p")),
        &["etc/", "etc/q=1", "l->/etc"],
    );
}

#[test]
fn n012_a_whiteout_below_a_dead_symlink() {
    let case = Case::start();
    let lower = Image::new().layer(|l| l.symlink("l", "/none").symlink("loop", "loop"));
    case.gives(
        &lower.layer(|l| l.whiteout("l/p").whiteout("loop/p").opaque("loop/d")),
        &["l->/none", "loop->loop"],
    );
}

#[test]
fn n013_a_whiteout_of_nothing() {
    let case = Case::start();
    case.rejects(&[file("a", "1"), file(".wh.", "")], "whiteout.invalid", 1);
}

#[test]
fn n014_a_whiteout_of_a_dot() {
    let case = Case::start();
    for name in [".wh..", ".wh...", "d/.wh..", "d/.wh..."] {
        case.rejects(&[dir("d"), file(name, "")], "whiteout.invalid", 1);
    }
}

#[test]
fn n015_a_whiteout_in_the_middle() {
    let case = Case::start();
    for name in [".wh.d/x", "a/.wh.d/x", ".wh..wh..opq/x", ".wh./x"] {
        case.rejects(&[file(name, "")], "whiteout.in_path", 0);
    }
}

#[test]
fn n016_a_whiteout_of_any_type() {
    let case = Case::start();
    let data = b"not to be seen".as_slice();
    for marker in [
        file(".wh.f", data),
        Header::new(".wh.f", b'0').mode(0).block(),
        Header::new(".wh.f", b'1').link("f").block(),
        Header::new(".wh.f", b'1').link("f").with(data),
        Header::new(".wh.f", b'2').link("/etc").with(data),
        Header::new(".wh.f", b'3').device(0, 0).block(),
        Header::new(".wh.f", b'4').device(8, 0).block(),
        Header::new(".wh.f/", b'5').block(),
        Header::new(".wh.f", b'5').with(data),
        Header::new(".wh.f/", 0).v7().block(),
        Header::new(".wh.f", b'6').block(),
    ] {
        let lower = Image::new().layer(|l| l.file("f", "1").file("g", "1"));
        case.gives(&lower.raw_layer(raw::tar(&[marker, file("h", "2")])), &["g=1", "h=2"]);
    }
}

#[test]
fn n017_what_aufs_leaves_behind() {
    let case = Case::start();
    let upper = |l: Layer| {
        l.file(".wh..wh.aufs", "").dir(".wh..wh.plnk").file(".wh..wh.plnk/12.34", "x").dir("d/.wh..wh.orph")
    };
    case.gives(&old().layer(upper), &["d/", "d/old=1", "d/sub/", "d/sub/x=1"]);
}

#[test]
fn n018_a_mark_inside_a_name() {
    let case = Case::start();
    let lower = Image::new().layer(|l| l.file("foo.wh.bar", "1").file("a.wh.", "1"));
    case.gives(&lower, &["a.wh.=1", "foo.wh.bar=1"]);
    case.gives(&lower.layer(|l| l.file(".wh.foo.wh.bar", "")), &["a.wh.=1"]);
}

#[test]
fn n019_one_type_over_another() {
    let case = Case::start();
    let lower = old().layer(|l| l.file("f", "1").symlink("l", "d").dir("e").file("e/x", "1"));
    let upper = |l: Layer| l.file("d", "now a file").dir("f").file("f/x", "2").dir("l").symlink("e", "f");
    let image = lower.layer(upper);
    case.gives(&image, &["d=now a file", "e->f", "f/", "f/x=2", "l/"]);
    let top = image.layer(|l| l.fifo("d").file("l", "3").fifo("f"));
    case.gives(&top, &["d|", "e->f", "f|", "l=3"]);
}

#[test]
fn n020_a_file_where_a_parent_must_be() {
    let case = Case::start();
    let image = Image::new().layer(|l| l.file("d", "1")).layer(|l| l.file("other", "").file("d/a", "2"));
    case.refuses_at(&image, "path.parent_not_dir", 1, 1);
    case.rejects(&[Header::new("p", b'6').block(), file("p/x", "")], "path.parent_not_dir", 1);
}

#[test]
fn n021_one_path_in_many_layers() {
    let case = Case::start();
    let image = (0..126).fold(Image::new(), |image, n| image.layer(|l| l.file("a", n.to_string())));
    case.gives(&image.layer(|l| l.whiteout("a")), &[]);
}

#[test]
fn n022_a_directory_deleted_and_made_again() {
    let case = Case::start();
    let image = old()
        .layer(|l| l.whiteout("d"))
        .layer(|l| l.dir("d").dir("d/sub").file("d/sub/y", "3").file("d/z", "3").opaque("d/sub"));
    case.gives(&image, &["d/", "d/sub/", "d/sub/y=3", "d/z=3"]);
    case.gives(&image.layer(|l| l.opaque("d")), &["d/"]);
}

#[test]
fn a_directory_that_became_a_symlink_is_written_through() {
    let case = Case::start();
    let image = old().layer(|l| l.dir("e").whiteout("d").symlink("d", "e")).layer(|l| {
        // Through the link, which stays; and below what is there no more.
        l.file("d/new", "3").whiteout("d/old").file("d/sub/y", "3")
    });
    case.gives(&image, &["d->e", "e/", "e/new=3", "e/sub/", "e/sub/y=3"]);
}

#[test]
fn ten_thousand_markers_cost_little() {
    let case = Case::start();
    let lower = |l: Layer| (0..5_000).fold(l.dir("d"), |l, n| l.file(&format!("d/{n}"), ""));
    let upper = |l: Layer| (0..5_000).fold(l, |l, n| l.opaque("d").whiteout(&format!("d/{n}")));
    case.gives(&Image::new().layer(lower).layer(upper).packed(image::Packing::Zstd), &["d/"]);
}
