//! Random stacks of layers, unpacked by tools that share nothing with Platen, beside Platen's flat layer:
//!
//! ```text
//! cargo run -p tests --bin differential -- 2000 --tool umoci|containers-storage|tar [--flat] [--seed S] [--from K]
//! ```
//!
//! With `--flat` the tool unpacks Platen's flat layer instead, docker and containerd too (private daemons, found on the
//! PATH), and what it unpacks must be what the layer says, with nothing to explain.
//!
//! Every difference must be explained by a rule of [`explain`]; one that is not is printed with its stack, and the run
//! ends with 1. `--seed S --from K` and a count of 1 play it again. Needs root: owners and devices are unpacked.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "for tests only")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use testkit::stack::{Stack, Tree, What, differing, nth, read_tar};

mod daemons;
mod explain;
mod platen;
mod tools;

use explain::Seen;
use tools::{Daemons, Tool};

const USAGE: &str = "usage: differential COUNT [--tool umoci|containers-storage|tar|docker|containerd] [--flat] [--seed S] [--from K]";

struct Run {
    tool: Tool,
    flat: bool,
    count: u64,
    seed: u64,
    from: u64,
}

fn main() -> ExitCode {
    let Some(run) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let began = std::time::Instant::now();
    let daemons = Daemons::default();
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut refused, mut paths, mut unexplained) = (0, 0, 0);
    for n in run.from..run.from + run.count {
        let profile = if run.flat { run.tool.flat_profile() } else { run.tool.profile() };
        let stack = nth(profile, run.seed, n);
        let outcome =
            if run.flat { extract(run.tool, &stack, &daemons) } else { compare(run.tool, &stack, &daemons) };
        match outcome {
            Outcome::Same { explained, of } => {
                paths += of;
                explained.into_iter().for_each(|rule| *counts.entry(rule).or_insert(0) += 1);
            }
            Outcome::Refused => refused += 1,
            Outcome::Differs(what) => {
                unexplained += 1;
                println!("--- {} --seed {} --from {n}\n{stack:?}{what}", run.tool.name(), run.seed);
            }
        }
    }
    println!(
        "{}: {} stacks, {refused} refused by both, {paths} paths, {unexplained} unexplained; explained: {counts:?}; {:.1} s",
        run.tool.name(),
        run.count,
        began.elapsed().as_secs_f64()
    );
    if unexplained == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments() -> Option<Run> {
    let mut args = std::env::args().skip(1);
    let mut run = Run { tool: Tool::Umoci, flat: false, count: args.next()?.parse().ok()?, seed: 1, from: 0 };
    while let Some(name) = args.next() {
        if name == "--flat" {
            run.flat = true;
            continue;
        }
        let value = args.next()?;
        match name.as_str() {
            "--tool" => run.tool = Tool::named(&value)?,
            "--seed" => run.seed = value.parse().ok()?,
            "--from" => run.from = value.parse().ok()?,
            _ => return None,
        }
    }
    Some(run)
}

enum Outcome {
    Same { explained: Vec<&'static str>, of: u64 },
    Refused,
    Differs(String),
}

/// Compares what a flat layer says with what the tool unpacks from it.
fn extract(tool: Tool, stack: &Stack, daemons: &Daemons) -> Outcome {
    let Ok(flat) = platen::flat(stack) else { return Outcome::Refused };
    let mut ours = read_tar(&flat);
    // containerd leaves attributes of the `trusted` namespace out, whatever they are.
    for node in ours.values_mut().filter(|_| tool == Tool::Containerd) {
        node.meta.xattrs.retain(|name, _| !name.starts_with(b"trusted."));
    }
    // Linux keeps no mode of a symbolic link; a hardlink to it may have said one.
    for node in ours.values_mut().filter(|node| matches!(node.what, What::Symlink(_))) {
        node.meta.mode = 0o777;
    }
    let mut theirs = match tool.unpack(&[flat], daemons) {
        Ok(theirs) => theirs,
        Err(said) => return Outcome::Differs(format!("{} refuses the flat layer: {said}\n", tool.name())),
    };
    if !ours.contains_key(&b""[..]) {
        theirs.remove(&b""[..]);
    }
    let wrong: Vec<String> = differing(&ours, &theirs)
        .into_iter()
        .map(|path| {
            let (is, got) = (ours.get(&path), theirs.get(&path));
            format!("`{}`\n  Platen: {is:?}\n  {}: {got:?}\n", path.escape_ascii(), tool.name())
        })
        .collect();
    if wrong.is_empty() {
        Outcome::Same { explained: Vec::new(), of: ours.len() as u64 }
    } else {
        Outcome::Differs(wrong.concat())
    }
}

/// Compares; where that gives a difference, once more with the tool given what the design says the stack means: a layer's
/// markers first.
fn compare(tool: Tool, stack: &Stack, daemons: &Daemons) -> Outcome {
    let ours = platen::flatten(stack);
    let unpack = |stack: &Stack| tool.unpack(&stack.tars(), daemons);
    let first = against(tool, stack, &ours, unpack(stack));
    let Outcome::Differs(wrong) = first else { return first };
    match against(tool, stack, &ours, unpack(&stack.markers_first())) {
        Outcome::Same { mut explained, of } => {
            explained.push("a marker acts wherever it stands: the tool agrees once it stands first");
            Outcome::Same { explained, of }
        }
        Outcome::Refused => {
            let rule = "a marker acts wherever it stands: the tool refuses too once it stands first";
            Outcome::Same { explained: vec![rule], of: 0 }
        }
        Outcome::Differs(_) => Outcome::Differs(wrong),
    }
}

/// Compares what Platen makes of a stack with what the tool makes of it, or of one that means the same.
fn against(tool: Tool, stack: &Stack, ours: &Result<Tree, String>, theirs: Result<Tree, String>) -> Outcome {
    let (ours, mut theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(_), Err(_)) => return Outcome::Refused,
        (Ok(_), Err(said)) => {
            let seen = Seen { tool, stack, path: None, said: Some(&said) };
            return match explain::tool_refuses(&seen) {
                Some(rule) => Outcome::Same { explained: vec![rule], of: 0 },
                None => Outcome::Differs(format!("only {} refuses: {said}\n", tool.name())),
            };
        }
        (Err(code), Ok(_)) => {
            return match explain::platen_refuses(stack, code) {
                Some(rule) => Outcome::Same { explained: vec![rule], of: 0 },
                None => Outcome::Differs(format!("only Platen refuses: {code}\n")),
            };
        }
    };
    // A root that no layer has an entry for is the tool's own.
    if !ours.contains_key(&b""[..]) {
        theirs.remove(&b""[..]);
    }
    let (mut explained, mut wrong) = (Vec::new(), String::new());
    for path in differing(ours, &theirs) {
        let seen = Seen { tool, stack, path: Some((&path, ours.get(&path), theirs.get(&path))), said: None };
        match explain::difference(&seen) {
            Some(rule) => explained.push(rule),
            None => wrong.push_str(&format!(
                "`{}`\n  Platen: {:?}\n  {}: {:?}\n",
                path.escape_ascii(),
                ours.get(&path),
                tool.name(),
                theirs.get(&path)
            )),
        }
    }
    if wrong.is_empty() {
        Outcome::Same { explained, of: ours.len() as u64 }
    } else {
        Outcome::Differs(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A few stacks, so that the long runs cannot rot: another seed than theirs, a difference being one all the same.
    fn agrees(tool: Tool, count: u64) {
        let daemons = Daemons::default();
        for n in 0..count {
            let layered = nth(tool.profile(), 2, n);
            let flat = nth(tool.flat_profile(), 2, n);
            let outcomes =
                [(&layered, compare(tool, &layered, &daemons)), (&flat, extract(tool, &flat, &daemons))];
            for (stack, outcome) in outcomes {
                if let Outcome::Differs(what) = outcome {
                    panic!("{} --seed 2 --from {n}\n{stack:?}{what}", tool.name());
                }
            }
        }
    }

    #[test]
    fn umoci_unpacks_the_same() {
        agrees(Tool::Umoci, 25);
    }

    #[test]
    fn tar_extracts_the_same() {
        agrees(Tool::Tar, 25);
    }

    #[test]
    fn containers_storage_mounts_the_same() {
        agrees(Tool::Storage, 3);
    }
}
