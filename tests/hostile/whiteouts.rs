//! 1 to 22: whiteouts, and layers on layers.

use testkit::Image;

use crate::case::Case;

#[test]
fn n001_an_opaque_marker_first() {
    let case = Case::start();
    let tree = case.flat(
        &Image::new()
            .layer(|l| l.dir("d").file("d/old", "1").dir("d/sub").file("d/sub/x", "1"))
            .layer(|l| l.opaque("d").file("d/new", "2").dir("d/sub")),
    );
    assert_eq!(tree.keys().map(Vec::as_slice).collect::<Vec<_>>(), [&b"d"[..], b"d/new", b"d/sub"]);
}

#[test]
fn n013_a_whiteout_of_nothing() {
    let case = Case::start();
    case.refuses(&Image::new().layer(|l| l.file(".wh.", "")), "whiteout.invalid");
    case.nothing_is_left();
}
