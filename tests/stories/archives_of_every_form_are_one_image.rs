//! OCI layout tar, docker-save tar, both gzip or zstd compressed, a layout directory: all one image.

use std::fs;

use testkit::image::{Packing, pack, tar_of, write_dir};
use testkit::{Factory, Image};

#[test]
fn every_archive_gives_the_same_diff_id() {
    let factory = Factory::start();
    let dir = tempfile::tempdir().unwrap();
    let source = Image::busybox();
    let (layout, docker) = (tar_of(&source.layout()), tar_of(&source.docker_save()));
    let zstd_layers = tar_of(&source.clone().packed(Packing::Zstd).layout());
    let plain_layers = tar_of(&source.clone().packed(Packing::Plain).layout());
    let mut paths = Vec::new();
    for (name, bytes) in [
        ("layout.tar", layout.clone()),
        ("layout.tar.gz", pack(&layout, Packing::Gzip)),
        ("layout.tar.zst", pack(&layout, Packing::Zstd)),
        ("docker.tar", docker.clone()),
        ("docker.tar.gz", pack(&docker, Packing::Gzip)),
        ("docker.tar.zst", pack(&docker, Packing::Zstd)),
        ("zstd-layers.tar", zstd_layers),
        ("plain-layers.tar", plain_layers),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
        paths.push(dir.path().join(name));
    }
    write_dir(&source.layout(), &dir.path().join("directory")).unwrap();
    paths.push(dir.path().join("directory"));
    let mut diff_ids = Vec::new();
    for path in &paths {
        let image = factory.import(path.to_str().unwrap(), &[]);
        diff_ids.push((path.clone(), image["diff_id"].as_str().unwrap().to_owned()));
        if diff_ids.len() > 1 {
            assert_eq!(image["flat"]["bytes_new"], 0, "{path:?} stored bytes that were there");
        }
    }
    assert!(diff_ids.iter().all(|(_, id)| *id == diff_ids[0].1), "{diff_ids:#?}");
    // Nothing stays staged.
    let staged = fs::read_dir(factory.dir().join("store/uploads")).unwrap().count();
    assert_eq!(staged, 0);
    crate::assert_sound(&factory);
}
