//! Writes the fuzzer's first inputs: `cargo run -p tests --bin fuzz-seeds -- tests/fuzz/corpus`. Each goes through its
//! target before it is written; the test does the same and writes nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "for tests only")]

use std::path::PathBuf;

#[path = "../src/lib.rs"]
mod fuzz;
mod manifests;
mod tars;

/// A target's name, what it runs, and its seeds.
type Target = (&'static str, fn(&[u8]), Vec<Vec<u8>>);

fn targets() -> [Target; 4] {
    [
        ("layer", fuzz::layer, tars::layers()),
        ("stack", fuzz::stack, tars::stacks()),
        ("manifest", fuzz::manifest, manifests::manifests()),
        ("reference", fuzz::reference, manifests::references()),
    ]
}

/// Parts of an input as one.
fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.join(fuzz::BETWEEN)
}

fn main() -> std::io::Result<()> {
    let dir = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "tests/fuzz/corpus".into()));
    for (name, run, seeds) in targets() {
        let dir = dir.join(name);
        std::fs::create_dir_all(&dir)?;
        for (place, seed) in seeds.iter().enumerate() {
            run(seed);
            std::fs::write(dir.join(format!("seed-{place:03}")), seed)?;
        }
        println!("{}: {} seeds", dir.display(), seeds.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_goes_through_every_target() {
        let all = targets();
        for (name, run, own) in &all {
            assert!(own.len() >= 20, "{name} has only {} seeds", own.len());
            for (_, _, seeds) in &all {
                seeds.iter().for_each(|seed| run(seed));
            }
        }
    }
}
