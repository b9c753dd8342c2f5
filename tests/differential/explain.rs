//! Differences that are known, each with the row of the design's table that decides it.

use testkit::stack::{Node, Stack, What};

use crate::tools::Tool;

/// What differs.
pub(crate) struct Seen<'a> {
    pub(crate) tool: Tool,
    pub(crate) stack: &'a Stack,
    /// The path, what it is to Platen and what to the tool; none when one of them refuses the stack.
    pub(crate) path: Option<(&'a [u8], Option<&'a Node>, Option<&'a Node>)>,
}

/// The rule that explains a difference in a path.
pub(crate) fn difference(seen: &Seen<'_>) -> Option<&'static str> {
    let rules: &[(&'static str, fn(&Seen<'_>) -> Option<bool>)] = &[
        ("missing parents have the time 0, never now", missing_parent),
        ("umoci: a directory that an opaque marker emptied has the time of that", emptied),
    ];
    rules.iter().find(|(_, holds)| holds(seen) == Some(true)).map(|(name, _)| *name)
}

/// The rule that explains why only one side refuses a stack.
pub(crate) fn one_refuses(seen: &Seen<'_>, platen: bool) -> Option<&'static str> {
    let _ = (seen, platen);
    None
}

/// All random times are before this.
const NOW: i64 = 1_700_000_001;

/// The same directory, but for the time, which the tool has as now.
fn only_time(seen: &Seen<'_>) -> Option<bool> {
    let (_, ours, theirs) = seen.path?;
    let (ours, theirs) = (ours?, theirs?);
    let mut same = theirs.clone();
    same.meta.mtime = ours.meta.mtime;
    Some(ours.what == What::Dir && same == *ours && theirs.meta.mtime.0 >= NOW)
}

fn missing_parent(seen: &Seen<'_>) -> Option<bool> {
    let meta = &seen.path?.1?.meta;
    let made = (meta.mode, meta.uid, meta.gid, meta.mtime) == (0o755, 0, 0, (0, 0)) && meta.xattrs.is_empty();
    Some(made && only_time(seen)?)
}

/// The stack has an opaque marker in the directory or above it.
fn emptied(seen: &Seen<'_>) -> Option<bool> {
    let path = components(seen.path?.0);
    let ops = seen.stack.layers.iter().flat_map(|layer| &layer.ops);
    let opaque = ops.filter_map(|op| op.path.strip_suffix(b".wh..wh..opq"));
    let above = opaque.map(components).any(|dir| path.starts_with(&dir));
    Some(seen.tool == Tool::Umoci && above && only_time(seen)?)
}

fn components(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect()
}
