//! What a small change does to a plan: few pieces are others, and none before the change.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::HashSet;
use std::io::{self, Cursor};

use flatten::{Composer, Cuts, Hides, Keep, LayerIndex, Piece, Plan, Tree, certify, emit, prove, read_layer};
use oci::limits::{Budget, Limits};
use tar::{Builder, Header};

const CUTS: Cuts = Cuts { min: 4 << 10, average: 16 << 10, max: 64 << 10 };

struct Nothing;

impl Keep for Nothing {
    fn read(&mut self, _: &[u8; 32], _: u32, _: usize, _: &mut Vec<u8>) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Names and how many bytes each has.
type Files = Vec<(String, usize)>;

fn layer(files: &Files) -> LayerIndex {
    let mut tar = Builder::new(Vec::new());
    for (name, size) in files {
        let mut content = vec![0; *size];
        blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut content);
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_size(*size as u64);
        tar.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    read_layer(Cursor::new(tar), &std::env::temp_dir(), &Budget::default(), None).unwrap()
}

fn many(count: usize) -> Files {
    (0..count).map(|i| (format!("usr/share/app/{i}.txt"), i * 7919 % 3000)).collect()
}

fn keys(layers: &[LayerIndex]) -> Vec<[u8; 32]> {
    let mut tree = Tree::default();
    layers.iter().for_each(|layer| tree.apply(layer).unwrap());
    let plan = Plan::of(&tree, CUTS);
    let key = |piece: &Piece| match piece {
        Piece::Batch { key, .. } => *key,
        Piece::Large { content, .. } => content.digest,
    };
    plan.pieces().iter().map(key).collect()
}

fn new(before: &[[u8; 32]], after: &[[u8; 32]]) -> usize {
    let known: HashSet<_> = before.iter().collect();
    after.iter().filter(|key| !known.contains(key)).count()
}

#[test]
fn a_file_that_comes_or_goes_changes_the_batches_around_it() {
    let before = keys(&[layer(&many(2000))]);
    assert!((100..1000).contains(&before.len()), "{} batches", before.len());
    for at in [1, 700, 1999] {
        let mut after = many(2000);
        after.insert(at, (format!("usr/share/app/new-{at}"), 3000));
        assert!(new(&before, &keys(&[layer(&after)])) <= 2, "added at {at}");
    }
    let mut without = many(2000);
    without.drain(500..510);
    assert!(new(&before, &keys(&[layer(&without)])) <= 3, "ten gone");
}

#[test]
fn a_changed_last_layer_changes_nothing_before_it() {
    let base = layer(&many(800));
    let revision =
        |size| keys(&[base.clone(), layer(&vec![("app/main".into(), size), ("app/same".into(), 9000)])]);
    let (one, two) = (revision(5000), revision(6000));
    assert_eq!(one.len(), two.len());
    let first = one.iter().zip(&two).position(|(a, b)| a != b).unwrap();
    assert!(first + 2 >= one.len(), "the first change is piece {first} of {}", one.len());
}

#[test]
fn large_files_are_pieces_of_their_own_and_proved_by_their_contents() {
    let index = layer(&vec![
        ("a".into(), 1000),
        ("large".into(), 300_001),
        ("b".into(), 2000),
        ("last".into(), 262_144),
    ]);
    let mut tree = Tree::default();
    tree.apply(&index).unwrap();
    let mut out = Vec::new();
    emit(&tree, &mut out).unwrap();
    let mut plan = Plan::of(&tree, CUTS);
    let (mut composer, mut large) = (Composer::new(), 0);
    for piece in plan.pieces().to_vec() {
        match piece {
            Piece::Batch { entries, last, .. } => {
                let mut plain = Vec::new();
                plan.fill(entries, last, &mut Nothing, &mut plain).unwrap();
                composer.batch(&prove(&plain).unwrap().bytes).unwrap();
            }
            Piece::Large { content, .. } => {
                large += 1;
                composer.content(&content.digest, content.size).unwrap();
            }
        }
    }
    assert_eq!(large, 2);
    let (certificate, _) = certify(Cursor::new(out), Limits::default()).unwrap();
    assert_eq!(composer.finish().unwrap(), certificate);
    let mut wrong = Composer::new();
    assert_eq!(wrong.content(&[0; 32], 1).unwrap_err().code(), "proof.invalid");
}

#[test]
fn what_a_layer_hides_is_told_by_names() {
    let hides = Hides::of(&layer(&vec![
        ("usr/lib/.wh.old".into(), 0),
        ("opt/.wh..wh..opq".into(), 0),
        ("etc/services".into(), 10),
    ]));
    for hidden in ["usr/lib/old", "usr/lib/old/deep/file", "opt/any", "etc/services"] {
        assert!(hides.hides(hidden.as_bytes()), "{hidden}");
    }
    for seen in ["usr/lib/older", "usr/lib", "opt", "etc", "etc/services2"] {
        assert!(!hides.hides(seen.as_bytes()), "{seen}");
    }
}
