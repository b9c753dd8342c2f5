//! How much lies in a directory.

use std::path::Path;

/// What an entry costs beside its bytes, so that a million empty files are not nothing.
pub(super) const ENTRY: u64 = 512;

/// Bytes of everything below some directories, symlinks not followed. What comes and goes meanwhile may be missed.
pub(super) fn of(dirs: &[&Path]) -> u64 {
    dirs.iter().map(|dir| below(dir)).fold(0, u64::saturating_add)
}

fn below(dir: &Path) -> u64 {
    let mut total = 0u64;
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            total = total.saturating_add(meta.len()).saturating_add(ENTRY);
            if meta.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    total
}
