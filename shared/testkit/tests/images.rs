//! Independent tools understand the images that the language makes as they were meant.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on must stop")]

use embedded::Program;
use testkit::image::{Packing, multi_platform, write_dir};
use testkit::{Image, tools, tree};

#[test]
fn umoci_unpacks_what_was_said() {
    let dir = tempfile::tempdir().unwrap();
    let image = Image::new()
        .layer(|l| {
            l.dir("etc")
                .file("etc/a", "one")
                .link("etc/b", "etc/a")
                .symlink("etc/c", "a")
                .xattr("etc/x", "user.two", b"lines\nand \0 zero")
                .program("su", 0o4755, "as root")
                .device("null", 1, 3)
                .fifo("pipe")
                .file("etc/gone", "deleted above")
                .dir("var")
                .file("var/below", "hidden above")
        })
        .layer(|l| l.whiteout("etc/gone").opaque("var").file("var/above", "seen").file("su", "overwritten"))
        .packed(Packing::Gzip);
    write_dir(&image.layout(), &dir.path().join("layout")).unwrap();
    let root = tree::unpack(&dir.path().join("layout"), &dir.path().join("bundle"));
    let lines = tree::listing(&root, &[]);
    let names: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        names,
        ["etc", "etc/a", "etc/b", "etc/c", "etc/x", "null", "pipe", "su", "var", "var/above"],
        "{lines:#?}"
    );
    let line = |name: &str| lines.iter().find(|line| line.split(' ').next() == Some(name)).unwrap().as_str();
    assert!(line("etc/b").contains("group=etc/a"), "{}", line("etc/b"));
    assert!(line("etc/c").contains(" 120777 ") && line("etc/c").contains(" a "), "{}", line("etc/c"));
    let value = "user.two=6c696e65730a616e642000207a65726f";
    assert!(line("etc/x").contains(value), "{}", line("etc/x"));
    assert!(line("null").contains(" 20600 "), "{}", line("null"));
    assert!(line("pipe").contains(" 10644 "), "{}", line("pipe"));
    assert!(line("su").contains(" 100644 0:0 11 1700000000"), "{}", line("su"));
}

#[test]
fn skopeo_finds_each_platform_of_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let of = |architecture: &str| {
        Image::new().platform("linux", architecture).layer(|l| l.file("which", architecture))
    };
    write_dir(&multi_platform(&[of("amd64"), of("arm64"), of("s390x")]), dir.path()).unwrap();
    let inspect = |architecture: &str| {
        let mut skopeo = tools::command(Program::Skopeo);
        skopeo.args(["--override-os", "linux", "--override-arch", architecture, "inspect"]);
        skopeo.args(["--format", "{{.Architecture}}"]).arg(format!("oci:{}:latest", dir.path().display()));
        tools::output(&mut skopeo)
    };
    for architecture in ["amd64", "arm64", "s390x"] {
        let said = inspect(architecture);
        assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), architecture, "{said:?}");
    }
    assert!(!inspect("riscv64").status.success(), "a platform that is not there");
}
