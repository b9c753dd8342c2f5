//! Recipes, resolved: the runs of bytes that, concatenated, are a blob.
//!
//! The database keeps a recipe as the ordered chunk ids of the blob; a chunk's row says where it lies. So a chunk
//! that moves to another pack changes one row and no recipe. What readers get is made from both, here.

use crate::{chunk::Located, error::Error, pack::PackId};
use std::ops::Range;

/// A stretch of bytes in one pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The pack.
    pub pack: PackId,
    /// Where the run begins in the pack, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

impl From<Located> for Run {
    fn from(chunk: Located) -> Run {
        Run { pack: chunk.pack, offset: chunk.offset, length: u64::from(chunk.length) }
    }
}

/// Joins neighbours: a recipe whose chunks were written in order becomes one run, read sequentially.
pub fn merge_runs(runs: impl IntoIterator<Item = Run>) -> Vec<Run> {
    let mut merged: Vec<Run> = Vec::new();
    for run in runs {
        match merged.last_mut() {
            Some(last)
                if last.pack == run.pack && last.offset.checked_add(last.length) == Some(run.offset) =>
            {
                last.length = last.length.saturating_add(run.length);
            }
            _ => merged.push(run),
        }
    }
    merged
}

/// The parts of `runs` that hold `range` of their concatenation.
///
/// # Errors
/// `store.damaged` if the range ends behind the last run: the recipe is shorter than the blob it is said to be.
pub(crate) fn slice(runs: &[Run], range: Range<u64>) -> Result<Vec<Run>, Error> {
    let mut parts = Vec::new();
    let mut at = 0u64;
    for run in runs {
        let end = at
            .checked_add(run.length)
            .ok_or_else(|| Error::Damaged("a recipe is longer than any blob can be".into()))?;
        let (from, to) = (range.start.max(at), range.end.min(end));
        if from < to {
            let offset = run.offset.checked_add(from - at).ok_or_else(|| beyond(run))?;
            parts.push(Run { pack: run.pack, offset, length: to - from });
        }
        at = end;
    }
    if range.end > at {
        return Err(Error::Damaged(format!("a recipe holds {at} bytes where {} are asked for", range.end)));
    }
    Ok(parts)
}

/// A run that ends behind its pack.
pub(crate) fn beyond(run: &Run) -> Error {
    too_short(run.pack)
}

pub(crate) fn too_short(pack: PackId) -> Error {
    Error::Damaged(format!("pack {pack} is shorter than the chunks it should hold"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(pack: &PackId, offset: u64, length: u64) -> Run {
        Run { pack: *pack, offset, length }
    }

    #[test]
    fn neighbours_merge_and_only_they_do() {
        let (a, b) = (PackId::new(), PackId::new());
        let runs = [run(&a, 0, 5), run(&a, 5, 5), run(&b, 10, 1), run(&a, 10, 2), run(&a, 3, 1)];
        assert_eq!(merge_runs(runs), [run(&a, 0, 10), run(&b, 10, 1), run(&a, 10, 2), run(&a, 3, 1)]);
        let edge = [run(&a, u64::MAX, 5), run(&a, 4, 5)];
        assert_eq!(merge_runs(edge), edge, "no wrap at the end of numbers");
    }

    #[test]
    fn a_recipe_too_short_or_too_long_is_damage() {
        let a = PackId::new();
        assert_eq!(slice(&[run(&a, 0, 5)], 0..6).unwrap_err().code(), "store.damaged");
        assert_eq!(slice(&[], 0..1).unwrap_err().code(), "store.damaged");
        assert_eq!(slice(&[run(&a, 0, u64::MAX), run(&a, 0, 1)], 0..1).unwrap_err().code(), "store.damaged");
        assert_eq!(slice(&[run(&a, u64::MAX, 9)], 5..6).unwrap_err().code(), "store.damaged");
        assert_eq!(slice(&[], 0..0).unwrap(), []);
    }

    proptest! {
        #[test]
        fn slicing_runs_is_slicing_their_bytes(
            lengths in prop::collection::vec((0u64..9, 0u64..50), 0..8), a in 0u64..80, b in 0u64..80,
        ) {
            let pack = PackId::new();
            let runs: Vec<Run> = lengths.iter().map(|(length, offset)| run(&pack, *offset, *length)).collect();
            let bytes = |runs: &[Run]| runs.iter().flat_map(|r| r.offset..r.offset + r.length).collect::<Vec<_>>();
            let all = bytes(&runs);
            let (from, to) = (a.min(b) as usize, a.max(b) as usize);
            match slice(&runs, from as u64..to as u64) {
                Ok(parts) => prop_assert_eq!(bytes(&parts), &all[from.min(to)..to]),
                Err(_) => prop_assert!(to > all.len()),
            }
        }
    }
}
