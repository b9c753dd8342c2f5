//! Finding places: parents are resolved through symbolic links, and never lead out of the root.

use std::collections::{BTreeMap, VecDeque};

use oci::limits::Limits;
use oci::path::components;

use super::error::Why;
use super::{At, Body, Dir, Id, Inode, Kept, Name, Place, ROOT, Reach, Tree};
use crate::index::What;

/// The kernel gives up after forty links; so do we.
const LINKS: usize = 40;

/// Components that are followed through symbolic links, for a whole image: forty links of 2,000 components each are a
/// path that a kernel takes, but not a million times.
const FOLLOWED: u64 = 20_000_000;

/// What to do where nothing is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Missing {
    /// There is nothing to find.
    Stop,
    /// Make a directory, as an extractor does for a parent without an entry.
    Make(At),
}

impl Tree<'_> {
    /// The directory that a path leads to, every component resolved. `None` when something is missing.
    pub(super) fn dir_of(&mut self, path: &[u8], missing: Missing) -> Result<Option<Id>, Why> {
        let mut todo: VecDeque<Box<[u8]>> = components(path).map(Box::from).collect();
        let (mut at, mut links) = (ROOT, 0);
        // What is not there, below `at`: `..` leaves it again, and only what is left of it in the end is made.
        let mut lacking: Vec<Box<[u8]>> = Vec::new();
        while let Some(part) = todo.pop_front() {
            if &*part == b".." {
                if lacking.pop().is_none() {
                    at = self.parent(at);
                }
                continue;
            }
            let found = if lacking.is_empty() { self.child(at, &part) } else { None };
            let Some(found) = found else {
                lacking.push(part);
                continue;
            };
            match self.what(found.inode) {
                Some((What::Dir, _)) => at = found.inode,
                Some((What::Symlink(target), _)) => {
                    links += 1;
                    if links > LINKS {
                        return Err(Why::SymlinkLoop);
                    }
                    // What the link says stands before what is left of the path. A root it climbs over stays the root.
                    self.followed += 1 + components(target).count() as u64;
                    if self.followed > FOLLOWED {
                        return Err(Why::TooCostly);
                    }
                    if target.starts_with(b"/") {
                        at = ROOT;
                    }
                    for part in components(target).rev() {
                        todo.push_front(part.into());
                    }
                }
                _ => return Err(Why::ParentNotDir),
            }
        }
        let Missing::Make(entry) = missing else { return Ok(lacking.is_empty().then_some(at)) };
        for (step, part) in (0..Place::ENTRY).zip(&lacking) {
            at = self.make_dir(at, part, Place { at: entry, step })?;
        }
        Ok(Some(at))
    }

    /// Directory and name of a path; only the parents are resolved. `None` for the root, or when a parent is missing.
    pub(super) fn place_of<'a>(
        &mut self,
        path: &'a [u8],
        missing: Missing,
    ) -> Result<Option<(Id, &'a [u8])>, Why> {
        let (parents, name) = match path.iter().rposition(|b| *b == b'/') {
            Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
            None => (&b""[..], path),
        };
        if name.is_empty() {
            return Ok(None);
        }
        Ok(self.dir_of(parents, missing)?.map(|dir| (dir, name)))
    }

    /// What a hardlink's target names: parents resolved, the last component not followed. `None` when nothing is there.
    pub(super) fn target_of(&mut self, target: &[u8]) -> Result<Option<(Id, Name)>, Why> {
        let parts: Vec<&[u8]> = components(target).collect();
        let Some((name, parents)) = parts.split_last() else { return Err(Why::LinkToDir) };
        let dir = match self.dir_of(&parents.join(&b'/'), Missing::Stop) {
            Ok(Some(dir)) => dir,
            Err(Why::TooCostly) => return Err(Why::TooCostly),
            Ok(None) | Err(_) => return Ok(None),
        };
        if *name == b".." {
            return Err(Why::LinkToDir);
        }
        Ok(self.child(dir, name).map(|found| (dir, found)))
    }

    /// Is this directory another one, or somewhere below it?
    pub(super) fn is_within(&self, mut dir: Id, other: Id) -> bool {
        loop {
            if dir == other {
                return true;
            }
            if dir == ROOT {
                return false;
            }
            dir = self.parent(dir);
        }
    }

    fn parent(&self, dir: Id) -> Id {
        self.dir(dir).map_or(ROOT, |dir| dir.parent)
    }

    /// How far a name in a directory is from the root. Links lead to places with longer paths than those written, and
    /// to names that nobody wrote into an archive: what no layer may have, no flat layer may.
    pub(super) fn reach(&self, dir: Id, name: &[u8]) -> Result<Reach, Why> {
        let from = self.dir(dir).ok_or(Why::ParentNotDir)?.reach;
        let (bytes, depth) = (usize::from(from.bytes) + name.len() + 1, usize::from(from.depth) + 1);
        let Limits { path, depth: most, component, .. } = self.limits;
        if bytes - 1 > path || depth > most || name.len() > component {
            return Err(Why::TooLong);
        }
        let small = |n: usize| u16::try_from(n).map_err(|_| Why::TooLong);
        Ok(Reach { bytes: small(bytes)?, depth: small(depth)? })
    }

    /// Counts the path of a name: links may lead many short paths to a place with a long one.
    pub(super) fn hold(&mut self, reach: Reach) -> Result<(), Why> {
        self.names += 1;
        self.text += u64::from(reach.bytes);
        let most = self.limits.text.saturating_add(self.names.saturating_mul(self.limits.text_entry));
        if self.text > most { Err(Why::TooMuchText) } else { Ok(()) }
    }

    fn make_dir(&mut self, parent: Id, name: &[u8], place: Place) -> Result<Id, Why> {
        if name.starts_with(b".wh.") {
            return Err(Why::WhiteoutInPath);
        }
        let reach = self.reach(parent, name)?;
        self.hold(reach)?;
        let inode = self.add_dir(parent, name, reach, Kept::Made)?;
        self.put(parent, name, Name { inode, place });
        Ok(inode)
    }

    pub(super) fn add_dir(&mut self, parent: Id, name: &[u8], reach: Reach, kept: Kept) -> Result<Id, Why> {
        let dir = Dir { parent, name: name.into(), reach, names: BTreeMap::new() };
        self.add(Inode { body: Body::Dir(Box::new(dir)), kept })
    }

    pub(super) fn add(&mut self, inode: Inode) -> Result<Id, Why> {
        // The root is nobody's entry.
        if self.inodes.len() as u64 > self.limits.entries {
            return Err(Why::TooMany);
        }
        let id = Id::try_from(self.inodes.len()).map_err(|_| Why::TooMany)?;
        self.inodes.push(inode);
        Ok(id)
    }

    pub(super) fn put(&mut self, dir: Id, name: &[u8], entry: Name) {
        if let Some(names) = self.names_mut(dir) {
            names.insert(name.into(), entry);
        }
    }
}
