//! Small inputs that would cost much: without a number, each a way to make kilobytes into gigabytes or hours.

use testkit::Image;
use testkit::image::Packing;
use testkit::raw::{self, Header, file, pax, symlink};

use crate::case::Case;

fn image(parts: &[Vec<u8>]) -> Image {
    Image::new().raw_layer(raw::tar(parts)).packed(Packing::Zstd)
}

#[test]
fn directories_that_only_paths_tell_of_count_as_entries() {
    let case = Case::with(&[("PLATEN_MAX_ENTRIES", "20000")]);
    // A hundred entries of 255 parents each.
    let deep = |n: usize| {
        [pax(&[("path", format!("{n}/{}f", "d/".repeat(250)).as_bytes())]), file("x", "")].concat()
    };
    let parts: Vec<Vec<u8>> = (0..100).map(deep).collect();
    case.refuses_at(&image(&parts), "layer.too_many_entries", 0, 79);
}

#[test]
fn entries_are_counted_over_all_layers() {
    let case = Case::with(&[("PLATEN_MAX_ENTRIES", "10")]);
    let files = |from: u32| raw::tar(&(from..from + 6).map(|n| file(n.to_string(), "")).collect::<Vec<_>>());
    case.refuses(&Image::new().raw_layer(files(0)).raw_layer(files(6)), "layer.too_many_entries");
}

#[test]
fn long_paths_need_memory_that_is_bounded() {
    let case = Case::start();
    let path = |n: usize| format!("{}/{n:0255}", vec!["p".repeat(255); 14].join("/"));
    let parts: Vec<Vec<u8>> =
        (0..12_000).map(|n| [pax(&[("path", path(n).as_bytes())]), file("x", "")].concat()).collect();
    case.refuses(&image(&parts), "layer.metadata_too_large");
}

#[test]
fn long_paths_behind_a_short_link_need_memory_that_is_bounded() {
    let case = Case::start();
    let target = vec!["p".repeat(255); 15].join("/");
    let link = [pax(&[("linkpath", target.as_bytes())]), symlink("l", "x")].concat();
    let parts: Vec<Vec<u8>> =
        [link].into_iter().chain((0..30_000).map(|n| file(format!("l/{n}"), ""))).collect();
    case.refuses(&image(&parts), "layer.metadata_too_large");
}

#[test]
fn attributes_need_memory_that_is_bounded() {
    let case = Case::start();
    let names: Vec<String> = (0..16).map(|n| format!("SCHILY.xattr.user.{n}")).collect();
    let value = |n: usize| format!("{n:060000}").into_bytes();
    let heavy = |n: usize| {
        let value = value(n);
        let records: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), value.as_slice())).collect();
        [pax(&records), file(n.to_string(), "")].concat()
    };
    case.refuses(&image(&(0..300).map(heavy).collect::<Vec<_>>()), "layer.metadata_too_large");
}

#[test]
fn a_thousand_large_pax_headers_are_not_kept() {
    let case = Case::start();
    let comment = vec![b'c'; (1 << 20) - 100];
    let one = [pax(&[("comment", &comment)]), file("a", "1")].concat();
    case.gives(&image(&vec![one; 1000]), &["a=1"]);
}

#[test]
fn extension_headers_do_not_pile_up() {
    let case = Case::start();
    let many: Vec<Vec<u8>> = (0..100_000).map(|n| pax(&[(&format!("key{n}"), b"value")])).collect();
    case.rejects(&[many.concat(), file("a", "1")], "tar.pax_malformed", 0);
    let large = vec![b'v'; 700_000];
    let two = [pax(&[("one", &large)]), pax(&[("two", &large)]), file("a", "1")];
    case.rejects(&two, "tar.pax_malformed", 0);
    case.rejects(&[Header::new("pax", b'x').size(1 << 33).block()], "tar.pax_malformed", 0);
}

#[test]
fn a_hundred_thousand_warnings_are_counted() {
    let case = Case::start();
    let global = raw::global(&[("comment", b"x")]);
    let long = [b"\xff".repeat(250), b"/x".to_vec()].concat();
    let dropped = [pax(&[("path", &long), ("SCHILY.xattr.security.selinux", b"x")]), file("a", "")].concat();
    let live = case.live(&image(&[global.repeat(100_000), dropped.repeat(20_000), file("b", "1")]));
    let warnings = live["warnings"].as_array().unwrap();
    assert!(warnings.len() <= 201, "{}", warnings.len());
    assert!(warnings.iter().all(|w| w.as_str().unwrap().len() < 1_000));
    assert!(warnings.last().unwrap().as_str().unwrap().starts_with("… and 139"), "{:?}", warnings.last());
    let log = case.factory.run(&["logs", live["id"].as_str().unwrap()]);
    assert!(log.len() < 500_000, "{}", log.len());
}

#[test]
fn paths_through_links_of_many_components_are_bounded() {
    let case = Case::start();
    // Each link's target climbs in and out a thousand times before it goes on to the next one.
    let link = |n: usize| {
        let target = format!("{}l{}", "d/../".repeat(800), n + 1);
        [pax(&[("linkpath", target.as_bytes())]), symlink(format!("l{n}"), "x")].concat()
    };
    let links = (0..39).map(link).chain([symlink("l39", "d")]);
    let mut parts: Vec<Vec<u8>> = [raw::dir("d")].into_iter().chain(links).collect();
    parts.extend((0..100_000).map(|n| file(format!("l0/{n}"), "")));
    case.refuses(&image(&parts), "path.too_many_links");
    let whiteouts = (0..100_000).map(|n| file(format!("l0/.wh.{n}"), ""));
    let lower: Vec<Vec<u8>> = parts[..41].to_vec();
    let upper: Vec<Vec<u8>> = whiteouts.collect();
    case.refuses(
        &Image::new().raw_layer(raw::tar(&lower)).raw_layer(raw::tar(&upper)),
        "path.too_many_links",
    );
}

#[test]
fn deep_paths_of_many_entries_are_quick() {
    let case = Case::start();
    let dir = "d/".repeat(45);
    let parts: Vec<Vec<u8>> = (0..50_000).map(|n| file(format!("{dir}{n}"), "")).collect();
    assert_eq!(case.live(&image(&parts))["flat"]["entries"], 50_045);
}

#[test]
fn an_operator_may_set_other_limits() {
    let case = Case::with(&[("PLATEN_LIMIT", "depth=300, path=5000")]);
    let (deep, long) = (vec!["d"; 280].join("/"), vec!["e".repeat(200); 24].join("/"));
    let records = |path: &str| [raw::pax(&[("path", path.as_bytes())]), raw::file("x", "1")].concat();
    let tree = case.flat(&Image::new().raw_layer(raw::tar(&[records(&deep), records(&long)])));
    assert!(tree.contains_key(deep.as_bytes()) && tree.contains_key(long.as_bytes()));
    let deeper = vec!["d"; 301].join("/");
    case.refuses_at(&Image::new().raw_layer(raw::tar(&[records(&deeper)])), "path.too_long", 0, 0);
}
