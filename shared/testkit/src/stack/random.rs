//! Random stacks. Names are few, so that paths meet often; most stacks are valid.
//!
//! A stack is made from numbers, and 0 is always the plainest choice: so what fails shrinks to something readable.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};

use super::{Layer, Meta, Op, Parents, Profile, Stack, What};

mod choose;
mod words;

use choose::Choose;

/// Numbers an entry is made from.
const NUMBERS: usize = 14;
/// The kinds of an entry are numbers below 1,000: ordinary ones, then markers, then the root, then odd ones.
const MARKERS: usize = 750;
const OPAQUE: usize = 880;
const ROOTS: usize = 920;
/// Most entries of a layer.
const ENTRIES: usize = 12;

/// A strategy for stacks.
pub fn stacks(profile: Profile) -> impl Strategy<Value = Stack> {
    vec(vec(any::<[u16; NUMBERS]>(), 0..=ENTRIES), 1..=profile.layers)
        .prop_map(move |numbers| build(profile, &numbers))
}

/// Stack number `n` of a seed: the same on every machine.
pub fn nth(profile: Profile, seed: u64, n: u64) -> Stack {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n.wrapping_mul(0xd134_2543_de82_ef95);
    // SplitMix64.
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap_or(0)
    };
    let layers = 1 + next() % profile.layers;
    let mut numbers = Vec::new();
    for _ in 0..layers {
        let entries = next() % (ENTRIES + 1);
        numbers.push((0..entries).map(|_| std::array::from_fn(|_| (next() & 0xffff) as u16)).collect());
    }
    build(profile, &numbers)
}

fn build(profile: Profile, numbers: &[Vec<[u16; NUMBERS]>]) -> Stack {
    let mut maker = Maker {
        profile,
        links: Vec::new(),
        layer: 0,
        deletes: false,
        deleted: BTreeSet::new(),
        here: BTreeSet::new(),
        known: BTreeMap::new(),
    };
    let mut stack = Stack::default();
    for (place, entries) in numbers.iter().enumerate() {
        maker.layer = place;
        maker.here.clear();
        maker.deleted.clear();
        maker.deletes =
            entries.iter().any(|numbers| (MARKERS..ROOTS).contains(&(usize::from(numbers[0]) % 1000)));
        if !profile.links_below {
            maker.links.clear();
        }
        let mut layer = Layer::default();
        for numbers in entries {
            maker.op(&mut Choose::new(numbers), &mut layer.ops);
        }
        stack.layers.push(layer);
    }
    stack
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Dir,
    Link,
    Other,
}

/// Makes entries, and remembers a little of those it made: not what they mean, only enough to make most of them valid.
struct Maker {
    profile: Profile,
    /// Paths that a hardlink may name.
    links: Vec<(Vec<u8>, Meta)>,
    layer: usize,
    /// Whether it has markers.
    deletes: bool,
    /// Paths that it deletes.
    deleted: BTreeSet<Vec<u8>>,
    /// Paths that it has.
    here: BTreeSet<Vec<u8>>,
    /// What a path is, as far as is known.
    known: BTreeMap<Vec<u8>, Known>,
}

impl Maker {
    fn op(&mut self, c: &mut Choose<'_>, ops: &mut Vec<Op>) {
        let kind = c.below(1000);
        let whiteout = (MARKERS..OPAQUE).contains(&kind);
        let mut parents = self.parents(c);
        let name = words::name(c, self.profile);
        if self.profile.parents != Parents::Missing {
            // What has no entry as a directory gets one first.
            for depth in 1..=parents.len() {
                let path = parents[..depth].join(&b'/');
                let deleted = !self.profile.again && self.deleted.contains(&path);
                let known = self.known.get(&path).copied();
                // Where a layer deletes, it depends on the order what a link of the layers below leads to; whiteouts
                // behind links that stay are plain enough.
                let stays =
                    !self.deletes || whiteout && !self.here.contains(&path) && !self.deleted.contains(&path);
                if known == Some(Known::Link) && self.profile.through && (stays || self.profile.odd) {
                    continue;
                }
                if deleted || known.is_some_and(|known| known != Known::Dir) {
                    parents.truncate(depth - 1);
                    break;
                }
                let has = match self.profile.parents {
                    Parents::Known if !self.deletes => self.known.contains_key(&path),
                    _ => self.here.contains(&path),
                };
                if !has {
                    self.set(ops, path, What::Dir, Meta { mode: 0o755, ..Meta::default() });
                }
            }
        }
        let path = [&parents[..], &[name.to_vec()]].concat().join(&b'/');
        match kind {
            // The plain case is 0, so the rare ones come last.
            0..MARKERS => self.entry(c, path, name, ops),
            MARKERS..OPAQUE if self.profile.markers => {
                self.marker(c, &parents, &[b".wh.", name].concat(), ops)
            }
            OPAQUE..ROOTS if self.profile.markers && (self.profile.root || !parents.is_empty()) => {
                self.marker(c, &parents, b".wh..wh..opq", ops)
            }
            ROOTS..950 if self.profile.root => {
                let meta = words::meta(c, self.profile, &What::Dir);
                self.set(ops, b"./".to_vec(), What::Dir, meta);
            }
            950..960 if self.profile.odd => self.leftover(c, &parents, ops),
            960..965 if self.profile.faults => self.fault(c, &parents, name, ops),
            _ => self.entry(c, path, name, ops),
        }
    }

    fn parents(&self, c: &mut Choose<'_>) -> Vec<Vec<u8>> {
        let depth = c.of(&[0, 1, 0, 1, 2, 1, 2, 3]);
        (0..depth)
            .map(|_| {
                let dirs: &[&[u8]] = &[b"d", b"e", b"d", b"e", b"d", b"e", b"d", b"e", b"d"];
                match c.below(60) {
                    50.. if self.profile.through => b"l".to_vec(),
                    49 if self.profile.faults => b"a".to_vec(),
                    n => dirs[n % dirs.len()].to_vec(),
                }
            })
            .collect()
    }

    fn entry(&mut self, c: &mut Choose<'_>, path: Vec<u8>, name: &[u8], ops: &mut Vec<Op>) {
        let again = !self.profile.again && self.deleted.contains(&path);
        if again || !self.profile.twice && self.here.contains(&path) {
            return;
        }
        let mut what = words::what(c, self.profile, name);
        let mut meta = words::meta(c, self.profile, &what);
        if let What::Hardlink(target) = &mut what {
            let links: Vec<&(Vec<u8>, Meta)> = self.links.iter().filter(|(have, _)| *have != path).collect();
            let random = self.profile.faults && c.below(40) == 39;
            match links.get(c.below(links.len().max(1))).filter(|_| !random) {
                Some((have, old)) => {
                    target.clone_from(have);
                    if !self.profile.link_meta {
                        meta = old.clone();
                    }
                }
                None if random => *target = c.of(&[&b"a"[..], b"d", b"d/a", b"../b", b"l/a"]).to_vec(),
                None => what = What::File(b"no link".to_vec()),
            }
            if let What::Hardlink(target) = &mut what
                && self.profile.odd
            {
                *target = words::written(c, target, false);
            }
        }
        self.set(ops, path, what.clone(), meta);
        if self.profile.odd
            && let Some(op) = ops.last_mut()
        {
            op.path = words::written(c, &op.path, what == What::Dir);
        }
    }

    fn set(&mut self, ops: &mut Vec<Op>, path: Vec<u8>, what: What, meta: Meta) {
        let dir = what == What::Dir;
        if !dir {
            self.forget(&path);
            self.links.push((path.clone(), meta.clone()));
        } else if self.known.get(&path).is_some_and(|known| *known != Known::Dir) {
            self.forget(&path);
        }
        let known = match &what {
            What::Dir => Known::Dir,
            What::Symlink(_) => Known::Link,
            _ => Known::Other,
        };
        self.known.insert(path.clone(), known);
        self.here.insert(path.clone());
        ops.push(Op { path, what, meta });
    }

    /// A path and all below it are no longer what they were.
    fn forget(&mut self, path: &[u8]) {
        let below = [path, b"/"].concat();
        let gone = |have: &[u8]| have == path || have.starts_with(&below);
        self.links.retain(|(have, _)| !gone(have));
        self.known.retain(|have, _| !gone(have));
    }

    fn marker(&mut self, c: &mut Choose<'_>, parents: &[Vec<u8>], name: &[u8], ops: &mut Vec<Op>) {
        let mut path = parents.join(&b'/');
        let opaque = name == b".wh..wh..opq";
        let target =
            if opaque { path.clone() } else { [parents, &[name[4..].to_vec()]].concat().join(&b'/') };
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let mut what = What::File(Vec::new());
        if self.profile.odd {
            what = match c.below(12) {
                11 => What::Dir,
                10 => What::Symlink(b"a".to_vec()),
                9 => What::Hardlink(b"a".to_vec()),
                8 => What::Char(0, 0),
                7 => What::File(b"data".to_vec()),
                _ => what,
            };
            path = words::written(c, &path, false);
        }
        if !self.profile.twice && self.here.contains(&path)
            || !self.profile.again && self.here.contains(&target)
        {
            return;
        }
        self.deleted.insert(target.clone());
        // What this layer has stays; what stands below it may be gone.
        let below = [&target[..], b"/"].concat();
        let here = self.here.clone();
        self.links.retain(|(have, _)| here.contains(have) || !(*have == target || have.starts_with(&below)));
        self.known.retain(|have, _| here.contains(have) || !(*have == target || have.starts_with(&below)));
        self.here.insert(path.clone());
        ops.push(Op { path, what, meta: Meta::default() });
    }

    fn leftover(&self, c: &mut Choose<'_>, parents: &[Vec<u8>], ops: &mut Vec<Op>) {
        let name = c.of(&[&b".wh..wh.aufs"[..], b".wh..wh.plnk", b".wh..wh.plnk/1.2", b".wh..wh.orph/x"]);
        let parents = &parents[..parents.len().min(self.layer)];
        let path = [parents, &[name.to_vec()]].concat().join(&b'/');
        ops.push(Op { path, what: What::File(b"aufs".to_vec()), meta: Meta::default() });
    }

    fn fault(&self, c: &mut Choose<'_>, parents: &[Vec<u8>], name: &[u8], ops: &mut Vec<Op>) {
        let dir = parents.join(&b'/');
        let file = What::File(b"fault".to_vec());
        let mut longest = vec![b'x'; 256];
        let (path, what) = match c.below(12) {
            0 => (b"../x".to_vec(), file),
            1 => ([&dir, &b"/../../../../../x"[..]].concat(), file),
            2 => (b"d/..".to_vec(), What::Symlink(b"a".to_vec())),
            3 => ([&dir, &b"/.wh."[..]].concat(), file),
            4 => ([&dir, &b"/.wh..."[..]].concat(), file),
            5 => ([&dir, &b"/.wh.d/"[..], name].concat(), file),
            6 => (b"./".to_vec(), file),
            7 => (b"".to_vec(), What::Dir),
            8 => ([&dir, &b"/self"[..]].concat(), What::Hardlink([&dir, &b"/self"[..]].concat())),
            9 => ([&dir, &b"/todir"[..]].concat(), What::Hardlink(b"d".to_vec())),
            10 => ([&dir, &b"/missing"[..]].concat(), What::Hardlink(b"d/..".to_vec())),
            _ => (std::mem::take(&mut longest), file),
        };
        ops.push(Op { path, what, meta: Meta::default() });
    }
}
