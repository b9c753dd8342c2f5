//! How much lies in a directory.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What an entry costs beside its bytes, so that a million empty files are not nothing.
pub(crate) const ENTRY: u64 = 512;

/// Bytes of everything below some directories, symlinks not followed. What comes and goes meanwhile may be missed.
pub(crate) fn of(dirs: &[&Path]) -> u64 {
    let cost = |meta: &Metadata| meta.len().saturating_add(ENTRY);
    dirs.iter().map(|dir| sum(dir, u64::MAX, cost)).fold(0, u64::saturating_add)
}

/// Bytes that it takes on the disk, where files may have holes; no further than `most`, which is too much anyway.
pub(crate) fn on_disk(dir: &Path, most: u64) -> u64 {
    sum(dir, most, |meta| meta.blocks() * 512)
}

fn sum(dir: &Path, most: u64, cost: impl Fn(&Metadata) -> u64) -> u64 {
    let mut total = 0u64;
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if total > most {
                return total;
            }
            let Ok(meta) = entry.metadata() else { continue };
            total = total.saturating_add(cost(&meta));
            if meta.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    total
}
