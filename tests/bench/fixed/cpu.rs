//! What processes have used of the processors.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// User and system time of a process and all its descendants that still run, and of those it has waited for.
pub(crate) fn of_tree(root: u32) -> Duration {
    let mut seen: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name may hold anything; what follows the last parenthesis does not.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        seen.insert(pid, (number(1) as u32, (11..15).map(number).sum()));
    }
    let ticks: u64 = seen.iter().filter(|(pid, _)| descends(&seen, **pid, root)).map(|(_, (_, t))| t).sum();
    Duration::from_millis(ticks * 10)
}

fn descends(seen: &BTreeMap<u32, (u32, u64)>, mut pid: u32, root: u32) -> bool {
    while pid != root {
        match seen.get(&pid) {
            Some((parent, _)) if *parent != 0 => pid = *parent,
            _ => return false,
        }
    }
    true
}
