//! Differences that are known, each with the row of the design's table that decides it.

use testkit::stack::{Meta, Node, Stack, What};

use crate::tools::Tool;

/// What differs.
pub(crate) struct Seen<'a> {
    pub(crate) tool: Tool,
    pub(crate) stack: &'a Stack,
    /// The path, what it is to Platen and what to the tool; none when one of them refuses the stack.
    pub(crate) path: Option<(&'a [u8], Option<&'a Node>, Option<&'a Node>)>,
    /// What the tool said, if it refuses the stack and Platen does not.
    pub(crate) said: Option<&'a str>,
}

/// A rule: its name, and whether it explains what was seen.
type Rule = (&'static str, fn(&Seen<'_>) -> Option<bool>);

/// The rule that explains a difference in a path.
pub(crate) fn difference(seen: &Seen<'_>) -> Option<&'static str> {
    let rules: &[Rule] = &[
        ("missing parents have the time 0, never now", missing_parent),
        ("a marker acts wherever it stands: umoci leaves a directory it clears the time of that", cleared),
        ("an entry behind a symbolic link: umoci leaves the directory it leads to the time of that", behind),
        ("a hardlink's own metadata counts: umoci leaves its target's", linked),
    ];
    rules.iter().find(|(_, holds)| holds(seen) == Some(true)).map(|(name, _)| *name)
}

/// The rule that explains why only Platen refuses a stack.
pub(crate) fn platen_refuses(stack: &Stack, code: &str) -> Option<&'static str> {
    let mut ops = stack.layers.iter().flat_map(|layer| &layer.ops);
    let leads_there = ops.any(|op| match &op.what {
        What::Symlink(target) => components(target).iter().any(|name| name.starts_with(b".wh.")),
        _ => false,
    });
    (code == "whiteout.in_path" && leads_there)
        .then_some("a `.wh.` name that a symbolic link leads to is refused: it would act as a whiteout later")
}

/// The rule that explains why only the tool refuses a stack.
pub(crate) fn tool_refuses(seen: &Seen<'_>) -> Option<&'static str> {
    let rules: &[Rule] = &[
        (
            "hardlink to a lower file that the same layer deletes: accepted in either order, umoci only link first",
            link_to_deleted,
        ),
        ("a marker with no way to it hides nothing: umoci refuses a loop of links there", behind_a_loop),
    ];
    rules.iter().find(|(_, holds)| holds(seen) == Some(true)).map(|(name, _)| *name)
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
    // Below a directory with setgid, what a tool makes inherits its group.
    let theirs = seen.path?.2?;
    let inherited = theirs.meta.mode == 0o2755 && theirs.meta.uid == 0 && theirs.meta.mtime.0 >= NOW;
    Some(made && (only_time(seen)? || inherited))
}

/// A layer that has the directory also deletes it, or hides what is in it or above it.
fn cleared(seen: &Seen<'_>) -> Option<bool> {
    let path = components(seen.path?.0);
    let both = seen.stack.layers.iter().any(|layer| {
        // The root is there without an entry.
        let has = path.is_empty()
            || layer.ops.iter().any(|op| op.what == What::Dir && components(&op.path) == path);
        has && layer.ops.iter().filter_map(|op| deleted(&op.path)).any(|dir| path.starts_with(&dir))
    });
    Some(seen.tool == Tool::Umoci && both && only_time(seen)?)
}

/// Some entry or marker is behind a symbolic link of the stack: what it sets or deletes is in another directory than its
/// path says, and that one's time is what differs.
fn behind(seen: &Seen<'_>) -> Option<bool> {
    let ops = || seen.stack.layers.iter().flat_map(|layer| &layer.ops);
    let links: Vec<_> =
        ops().filter(|op| matches!(op.what, What::Symlink(_))).map(|op| components(&op.path)).collect();
    let is_behind = |path: &[u8]| {
        let path = components(path);
        links.iter().any(|link| path.len() > link.len() && path.starts_with(link))
    };
    Some(seen.tool == Tool::Umoci && only_time(seen)? && ops().any(|op| is_behind(&op.path)))
}

/// The entry that umoci names is a marker.
fn behind_a_loop(seen: &Seen<'_>) -> Option<bool> {
    let (_, entry) = seen.said?.rsplit_once("unpack entry: ")?;
    let (entry, why) = entry.split_once(": sanitise symlinks in root: ")?;
    let marker = components(entry.as_bytes()).last().is_some_and(|name| name.starts_with(b".wh."));
    Some(seen.tool == Tool::Umoci && marker && why.ends_with("too many levels of symbolic links"))
}

/// The same inode; to Platen it has what a hardlink to it says, to umoci what its first entry says.
fn linked(seen: &Seen<'_>) -> Option<bool> {
    let (_, ours, theirs) = seen.path?;
    let (ours, theirs) = (ours?, theirs?);
    let symlink = matches!(ours.what, What::Symlink(_));
    let fixed = |meta: &Meta| (if symlink { 0o777 } else { meta.mode }, meta.uid, meta.gid, meta.mtime);
    let has = |node: &Node, link: bool| {
        let mut ops = seen.stack.layers.iter().flat_map(|layer| &layer.ops);
        ops.any(|op| matches!(op.what, What::Hardlink(_)) == link && fixed(&op.meta) == fixed(&node.meta))
    };
    let same = ours.what == theirs.what && ours.first == theirs.first;
    let kept = theirs.meta.xattrs.iter().all(|(name, value)| ours.meta.xattrs.get(name) == Some(value));
    Some(seen.tool == Tool::Umoci && same && kept && has(ours, true) && has(theirs, false))
}

/// The entry that umoci names is a hardlink to something that a marker before it in its layer deletes.
fn link_to_deleted(seen: &Seen<'_>) -> Option<bool> {
    let (_, entry) = seen.said?.rsplit_once("unpack entry: ")?;
    let entry = entry.strip_suffix(": link: no such file or directory")?;
    let links: Vec<_> = seen.stack.layers.iter().flat_map(|layer| &layer.ops).collect();
    let links: Vec<_> = links.iter().filter(|op| matches!(op.what, What::Symlink(_))).collect();
    // Behind a link a marker may delete anything.
    let behind = |gone: &[&[u8]]| links.iter().any(|link| gone.starts_with(&components(&link.path)));
    let found = seen.stack.layers.iter().any(|layer| {
        layer.ops.iter().enumerate().any(|(place, op)| {
            let What::Hardlink(target) = &op.what else { return false };
            let before = layer.ops[..place].iter().filter_map(|op| deleted(&op.path));
            String::from_utf8_lossy(&op.path) == entry
                && before.into_iter().any(|gone| components(target).starts_with(&gone) || behind(&gone))
        })
    });
    Some(seen.tool == Tool::Umoci && found)
}

/// What a marker deletes: a whiteout its target, an opaque marker what is in its directory.
fn deleted(path: &[u8]) -> Option<Vec<&[u8]>> {
    let mut names = components(path);
    let last = names.pop()?.strip_prefix(b".wh.")?;
    if last != b".wh..opq" {
        names.push(last);
    }
    Some(names)
}

fn components(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect()
}
