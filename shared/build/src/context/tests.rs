use std::fs;

use super::*;

const CAPS: Caps = Caps { bytes: 1 << 20, entries: 100 };

fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        // Names as an attacker writes them, which the library would not.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        let body: &[u8] = if kind.is_symlink() || kind.is_hard_link() {
            header.as_gnu_mut().unwrap().linkname[..content.len()].copy_from_slice(content.as_bytes());
            b""
        } else {
            content.as_bytes()
        };
        header.set_size(body.len() as u64);
        header.set_cksum();
        tar.append(&header, body).unwrap();
    }
    tar.into_inner().unwrap()
}

fn unpacked(entries: &[(&str, EntryType, &str)]) -> (tempfile::TempDir, Result<(), BuildError>) {
    let dir = tempfile::tempdir().unwrap();
    let result = unpack(io::Cursor::new(archive(entries)), &dir.path().join("in"), CAPS);
    (dir, result)
}

#[test]
fn nothing_leads_out_of_a_context() {
    use EntryType::{Char, Link, Regular, Symlink};
    for entries in [
        &[("../out", Regular, "x")][..],
        &[("a/../../out", Regular, "x")],
        &[("link", Symlink, ".."), ("link/out", Regular, "x")],
        &[("link", Symlink, "/"), ("link/out-of-platen", Regular, "x")],
        &[("out", Link, "../../../etc/passwd")],
        &[("device", Char, "")],
    ] {
        let (dir, result) = unpacked(entries);
        assert_eq!(result.unwrap_err().code(), "context.invalid", "{entries:?}");
        assert!(!dir.path().join("out").exists() && !Path::new("/out-of-platen").exists());
    }
    // An absolute name is a name in the context, as tar(1) has it.
    let (dir, result) = unpacked(&[("/inside", Regular, "x")]);
    result.unwrap();
    assert!(dir.path().join("in/inside").is_file());
}

#[test]
fn contexts_have_bounds() {
    let (_dir, result) = unpacked(&[("large", EntryType::Regular, &"x".repeat(2 << 20))]);
    assert_eq!(result.unwrap_err().code(), "context.too_large");
    let dir = tempfile::tempdir().unwrap();
    let bomb =
        zstd::encode_all(archive(&[("large", EntryType::Regular, &"x".repeat(2 << 20))]).as_slice(), 3)
            .unwrap();
    assert!(bomb.len() < 1 << 16);
    let result = unpack(io::Cursor::new(bomb), &dir.path().join("in"), CAPS);
    assert_eq!(result.unwrap_err().code(), "context.too_large");
    for junk in [&b""[..], b"junk", b"BZh91AY"] {
        let result = unpack(junk, &dir.path().join("junk"), CAPS);
        assert_eq!(result.unwrap_err().code(), "context.invalid");
    }
}

#[test]
fn the_dockerfile_is_a_file_of_the_context() {
    let builds = tempfile::tempdir().unwrap();
    let placed = |name: &str, dir: Option<&str>, file: Option<&str>| {
        let job = JobDir::make(builds.path(), name).unwrap();
        let source = job.work("source");
        fs::create_dir_all(source.join("app/docker")).unwrap();
        fs::write(source.join("app/Dockerfile"), "FROM scratch").unwrap();
        fs::write(source.join("app/docker/Special"), "FROM scratch").unwrap();
        std::os::unix::fs::symlink("/etc/shadow", source.join("app/Shadow")).unwrap();
        std::os::unix::fs::symlink("/etc", source.join("etc")).unwrap();
        place(&source, dir, file, &job).map(|path| path.display().to_string()).map_err(|e| e.code())
    };
    assert_eq!(placed("a", Some("app"), None), Ok("Dockerfile".to_owned()));
    assert_eq!(placed("b", Some("/app/"), Some("docker/Special")), Ok("docker/Special".to_owned()));
    assert_eq!(placed("c", None, None), Err("build.dockerfile_missing"));
    for file in ["Shadow", "../../x", "docker"] {
        assert_eq!(placed("d", Some("app"), Some(file)), Err("build.dockerfile_missing"), "{file}");
    }
    for dir in ["../..", "etc", "nowhere"] {
        assert_eq!(placed("e", Some(dir), None), Err("context.dir_missing"), "{dir}");
    }
}
