//! Stacks of layers, and the file system they must give. Each case is a line or two of the tables in the design.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use flatten::{LayerIndex, Tree, certify, emit, read_layer};
use oci::layer::{Kind, LayerReader};
use oci::limits::{Budget, Limits};
use tar::{Builder, EntryType, Header};

/// A layer: `dir/`, `file=content`, `link->target` (symbolic), `hard=>target`, and whiteouts by their names.
fn layer(lines: &[&str]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for line in lines {
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        let (path, link, data) = if let Some((path, target)) = line.split_once("=>") {
            header.set_entry_type(EntryType::Link);
            (path, target, "")
        } else if let Some((path, target)) = line.split_once("->") {
            header.set_entry_type(EntryType::Symlink);
            (path, target, "")
        } else if let Some((path, data)) = line.split_once('=') {
            header.set_entry_type(EntryType::Regular);
            (path, "", data)
        } else if line.ends_with('/') {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o755);
            (*line, "", "")
        } else {
            (*line, "", "")
        };
        header.set_size(data.len() as u64);
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        tar.append(&header, data.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn flat(layers: &[Vec<u8>]) -> Result<Vec<u8>, &'static str> {
    let dir = tempfile::tempdir().unwrap();
    let budget = Budget::default();
    let mut tree = Tree::default();
    let mut indexes: Vec<LayerIndex> = Vec::new();
    for bytes in layers {
        indexes.push(
            read_layer(std::io::Cursor::new(bytes.clone()), dir.path(), &budget, None)
                .map_err(|e| e.code())?,
        );
    }
    for index in &indexes {
        tree.apply(index).map_err(|e| e.code())?;
    }
    let mut out = Vec::new();
    let flat = emit(&tree, &mut out).unwrap();
    assert_eq!(flat.plain, out.len() as u64);
    let (certificate, _) = certify(std::io::Cursor::new(out.clone()), Limits::default()).unwrap();
    assert_eq!(certificate, flat.certificate, "the certificate of the model and of the bytes");
    Ok(out)
}

/// Path to what is there: content, `dir`, `-> target`; a further name of an inode as its first one.
fn tree(layers: &[&[&str]]) -> Result<BTreeMap<String, String>, &'static str> {
    let layers: Vec<Vec<u8>> = layers.iter().map(|lines| layer(lines)).collect();
    let out = flat(&layers)?;
    // Flattening what is flat changes nothing.
    assert_eq!(flat(std::slice::from_ref(&out)).unwrap(), out);
    assert_eq!(flat(&layers).unwrap(), out, "the same layers give the same bytes");
    let mut reader = LayerReader::open(std::io::Cursor::new(out), Budget::default()).unwrap();
    let mut found = BTreeMap::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let what = match entry.kind {
            Kind::File(size) => {
                let mut data = vec![0; usize::try_from(size).unwrap()];
                let mut have = 0;
                while have < data.len() {
                    have += reader.read_content(&mut data[have..]).unwrap();
                }
                String::from_utf8(data).unwrap()
            }
            Kind::Dir => "dir".to_owned(),
            Kind::Symlink(target) => format!("-> {}", String::from_utf8_lossy(&target)),
            Kind::Hardlink(target) => format!("same as {}", String::from_utf8_lossy(&target)),
            other => format!("{other:?}"),
        };
        found.insert(String::from_utf8(entry.path).unwrap(), what);
    }
    Ok(found)
}

fn assert_tree(layers: &[&[&str]], expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(p, w)| ((*p).to_owned(), (*w).to_owned())).collect();
    assert_eq!(tree(layers).unwrap(), expected, "{layers:?}");
}

#[test]
fn whiteouts_act_on_lower_layers_wherever_they_stand() {
    assert_tree(&[&["d/", "d/a=1", "d/b=2"], &["d/.wh.a"]], &[("d", "dir"), ("d/b", "2")]);
    assert_tree(&[&["d/", "d/a=1"], &[".wh.d"]], &[]);
    for order in [["a=new", ".wh.a"], [".wh.a", "a=new"]] {
        assert_tree(&[&["a=old"], &order], &[("a", "new")]);
    }
    for order in [["d/", ".wh.d"], [".wh.d", "d/"]] {
        assert_tree(&[&["d/", "d/a=1"], &order], &[("d", "dir")]);
    }
    assert_tree(&[&["a=1"], &[".wh.none", "x/.wh.y"]], &[("a", "1")]);
    assert_tree(&[&["foo.wh.bar=1"], &["b=2"]], &[("foo.wh.bar", "1"), ("b", "2")]);
    assert_tree(&[&["etc/", "etc/p=1", "l->etc"], &["l/.wh.p"]], &[("etc", "dir"), ("l", "-> etc")]);
    assert_tree(&[&["t=1", "l->t"], &[".wh.l"]], &[("t", "1")]);
    // One whiteout takes away the link that another one goes through: in either order both act.
    for order in [[".wh.l", "l/.wh.p"], ["l/.wh.p", ".wh.l"]] {
        assert_tree(&[&["etc/", "etc/p=1", "l->etc"], &order], &[("etc", "dir")]);
    }
    // A directory of the same layer takes the place of the link, and has nothing from below.
    for order in [["l/", "l/.wh.p"], ["l/.wh.p", "l/"]] {
        let kept = [("etc", "dir"), ("etc/p", "1"), ("l", "dir")];
        assert_tree(&[&["etc/", "etc/p=1", "l->etc"], &order], &kept);
    }
}

#[test]
fn opaque_hides_lower_children_and_only_those() {
    for order in [["d/", "d/new=1", "d/.wh..wh..opq"], ["d/.wh..wh..opq", "d/", "d/new=1"]] {
        assert_tree(&[&["d/", "d/old=1", "d/sub/", "d/sub/x=1"], &order], &[("d", "dir"), ("d/new", "1")]);
    }
    assert_tree(&[&["a=1", "d/", "d/b=1"], &[".wh..wh..opq", "c=1"]], &[("c", "1")]);
    assert_tree(
        &[&["t/", "t/a=1", "l->t"], &["l/.wh..wh..opq"]],
        &[("t", "dir"), ("t/a", "1"), ("l", "-> t")],
    );
    assert_tree(&[&["a=1"], &["none/.wh..wh..opq"]], &[("a", "1")]);
}

#[test]
fn hardlinks_keep_their_content() {
    // The classic: a link whose target is overwritten above (newest-first flattening loses it).
    assert_tree(
        &[&["t1=old", "t2=>t1", "t3=>t1"], &["t1=new"]],
        &[("t1", "new"), ("t2", "old"), ("t3", "same as t2")],
    );
    assert_tree(&[&["t=old", "l=>t"], &[".wh.t"]], &[("l", "old")]);
    assert_tree(&[&["t=x"], &["l=>t"]], &[("t", "x"), ("l", "same as t")]);
    for order in [["l=>t", ".wh.t"], [".wh.t", "l=>t"]] {
        assert_tree(&[&["t=x"], &order], &[("l", "x")]);
    }
    assert_tree(&[&["s->nowhere", "l=>s"]], &[("s", "-> nowhere"), ("l", "same as s")]);
    assert_tree(
        &[&["d/", "d/t=1", "a/l=>../../../d/./t"]],
        &[("d", "dir"), ("d/t", "1"), ("a", "dir"), ("a/l", "same as d/t")],
    );
    for (layers, code) in [
        (&["l=>none"][..], "hardlink.target_missing"),
        (&["a=1", "a=>a"], "hardlink.target_missing"),
        (&["l=>t", "t=1"], "hardlink.target_missing"),
        (&["d/", "l=>d"], "hardlink.to_dir"),
        // The directory is removed before the link is made, and the target with it.
        (&["d/", "d/t=1", "d=>d/t"], "hardlink.target_missing"),
    ] {
        assert_eq!(tree(&[layers]), Err(code), "{layers:?}");
    }
    for layer in [&["a=>a", ".wh.a"][..], &["d=file", "l=>d/t"]] {
        assert_eq!(tree(&[&["a=1", "d/", "d/t=1"], layer]), Err("hardlink.target_missing"), "{layer:?}");
    }
}

#[test]
fn types_replace_each_other_and_directories_merge() {
    assert_tree(&[&["x/", "x/a=1"], &["x=file"]], &[("x", "file")]);
    assert_tree(&[&["x=file"], &["x/", "x/a=1"]], &[("x", "dir"), ("x/a", "1")]);
    assert_tree(&[&["x/", "x/a=1"], &["x->y"]], &[("x", "-> y")]);
    assert_tree(&[&["d/", "d/a=1"], &["d/", "d/b=2"]], &[("d", "dir"), ("d/a", "1"), ("d/b", "2")]);
    assert_tree(&[&["a=1", "a=2"]], &[("a", "2")]);
    assert_eq!(tree(&[&["d=file"], &["d/a=1"]]), Err("path.parent_not_dir"));
}

#[test]
fn parents_are_resolved_inside_the_root() {
    assert_tree(&[&["l->/", "l/tmp/b=1"]], &[("l", "-> /"), ("tmp", "dir"), ("tmp/b", "1")]);
    assert_tree(
        &[&["l->../../../../tmp"], &["l/x=1"]],
        &[("l", "-> ../../../../tmp"), ("tmp", "dir"), ("tmp/x", "1")],
    );
    assert_tree(&[&["deep/er/file=1"]], &[("deep", "dir"), ("deep/er", "dir"), ("deep/er/file", "1")]);
    assert_eq!(tree(&[&["a->b", "b->a", "a/x=1"]]), Err("path.symlink_loop"));
    assert_eq!(tree(&[&["../x=1"]]), Err("path.escape"));
    // What no layer may have, no flat layer may, whichever way it is reached.
    assert_eq!(tree(&[&["l->.wh.d", "l/x=1"]]), Err("whiteout.in_path"));
    let deeper = |n: usize| format!("{}->{}", vec!["a"; n].join("/"), vec!["x"; 45].join("/"));
    let deep: Vec<String> = (1..=7).map(deeper).collect();
    let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
    assert!(tree(&[&deep[..6]]).is_ok());
    assert_eq!(tree(&[&deep]), Err("path.too_long"));
    assert_tree(&[&["s->/outside"], &["s/"]], &[("s", "dir")]);
}

#[test]
fn a_revision_shares_everything_before_its_changed_layer() {
    let base = layer(&["a=1", "b=2", "c/", "c/d=3"]);
    let one = flat(&[base.clone(), layer(&["e=first"])]).unwrap();
    let two = flat(&[base.clone(), layer(&["e=second", "f=more"])]).unwrap();
    let shared = one.iter().zip(&two).take_while(|(a, b)| a == b).count();
    assert!(shared >= base.len() - 1024, "only {shared} bytes are shared");
}
