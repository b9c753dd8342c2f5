//! Random stacks of layers: the flat layer is the tree that a model, written only for this, says it must be.
//!
//! 500 stacks each time; `PROPTEST_CASES=10000` for a full run.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::io::Cursor;

use flatten::{Cuts, LayerIndex, Plan, Tree, certify, emit, read_layer};
use oci::limits::{Budget, Limits};
use proptest::prelude::{ProptestConfig, proptest};
use testkit::stack::{Profile, Stack, difference, nth, read_tar, stacks};

mod model;
mod pieces;

/// The order in which layers are read.
#[derive(Clone, Copy)]
enum Order {
    Up,
    Down,
    AtOnce,
}

fn indexes(tars: &[Vec<u8>], order: Order) -> Result<Vec<LayerIndex>, &'static str> {
    let dir = tempfile::tempdir().unwrap();
    let budget = Budget::default();
    let read =
        |tar: &Vec<u8>| read_layer(Cursor::new(tar.clone()), dir.path(), &budget, None).map_err(|e| e.code());
    match order {
        Order::Up => tars.iter().map(read).collect(),
        Order::Down => {
            let mut all: Vec<_> = tars.iter().rev().map(read).collect();
            all.reverse();
            all.into_iter().collect()
        }
        Order::AtOnce => std::thread::scope(|scope| {
            let threads: Vec<_> = tars.iter().map(|tar| scope.spawn(move || read(tar))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        }),
    }
}

fn flat(tars: &[Vec<u8>], order: Order) -> Result<Vec<u8>, &'static str> {
    let indexes = indexes(tars, order)?;
    let mut tree = Tree::default();
    for index in &indexes {
        tree.apply(index).map_err(|e| e.code())?;
    }
    let mut out = Vec::new();
    let made = emit(&tree, &mut out).unwrap();
    assert_eq!(made.plain, out.len() as u64);
    let (certificate, _) = certify(Cursor::new(out.clone()), Limits::default()).map_err(|e| e.code())?;
    assert_eq!(certificate, made.certificate, "the certificates of the model and of the bytes");
    pieces::check(&tree, &out, &certificate);
    kept(&indexes, &out);
    Ok(out)
}

/// What is kept of the layers between imports gives the same plan.
fn kept(indexes: &[LayerIndex], out: &[u8]) {
    let again: Vec<LayerIndex> = indexes
        .iter()
        .map(|index| LayerIndex::decode(&index.encode(&[], |_| None).unwrap()).unwrap())
        .collect();
    let mut tree = Tree::default();
    again.iter().for_each(|index| tree.apply(index).unwrap());
    assert_eq!(Plan::of(&tree, Cuts::default()).flat().plain, out.len() as u64);
}

fn check(stack: &Stack) {
    let tars = stack.tars();
    let (expected, found) = (model::flatten(stack), flat(&tars, Order::Up));
    match (expected, &found) {
        (Err(expected), Err(found)) => assert_eq!(expected, *found, "the codes of a refusal"),
        (Ok(expected), Ok(out)) => {
            if let Some(difference) = difference(&expected, &read_tar(out)) {
                panic!("the model (left) and the flat layer (right) differ at {difference}");
            }
            assert_eq!(
                flat(std::slice::from_ref(out), Order::Up).as_ref(),
                Ok(out),
                "flat of flat is the same"
            );
        }
        (expected, found) => {
            panic!("the model says {:?}, the factory {:?}", expected.map(drop), found.as_ref().map(drop));
        }
    }
    for order in [Order::Down, Order::AtOnce] {
        assert_eq!(flat(&tars, order), found, "whatever the order of reading");
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(500, |cases| cases.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        max_shrink_iters: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_stack_is_what_the_model_says(stack in stacks(Profile::ANY)) {
        check(&stack);
    }
}

/// The generator is worth something only if most of what it makes is valid, and all codes come up.
#[test]
fn most_random_stacks_are_valid_and_every_refusal_comes_up() {
    let mut codes = std::collections::BTreeMap::new();
    for n in 0..4000 {
        let code = model::flatten(&nth(Profile::ANY, 1, n)).map_or_else(|code| code, |_| "valid");
        *codes.entry(code).or_insert(0) += 1;
    }
    assert!(codes["valid"] > 2000, "{codes:?}");
    for code in [
        "hardlink.target_missing",
        "hardlink.to_dir",
        "path.escape",
        "path.parent_not_dir",
        "path.root_type",
        "path.symlink_loop",
        "path.too_long",
        "whiteout.in_path",
        "whiteout.invalid",
    ] {
        assert!(codes.get(code).is_some_and(|found| *found >= 10), "{code}: {codes:?}");
    }
}
