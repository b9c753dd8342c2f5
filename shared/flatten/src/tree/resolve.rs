//! Finding places: parents are resolved through symbolic links, and never lead out of the root.

use std::collections::{BTreeMap, VecDeque};

use oci::path::components;

use super::error::Why;
use super::{Body, Id, Inode, Name, Place, ROOT, Span, Tree, missing_parent};

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
    Make(Place),
}

impl Tree {
    /// The directory that a path leads to, every component resolved. `None` when something is missing.
    pub(super) fn dir_of(&mut self, path: &[u8], missing: Missing) -> Result<Option<Id>, Why> {
        let mut todo: VecDeque<Box<[u8]>> = components(path).map(Box::from).collect();
        let (mut at, mut links, mut made) = (ROOT, 0, 0u16);
        while let Some(part) = todo.pop_front() {
            if &*part == b".." {
                at = self.parent(at);
                continue;
            }
            let Some(found) = self.child(at, &part) else {
                let Missing::Make(place) = missing else { return Ok(None) };
                let step = made;
                made = made.saturating_add(1).min(u16::MAX - 1);
                at = self.make_dir(at, &part, Place { step, ..place })?;
                continue;
            };
            match self.inode(found.inode).map(|inode| &inode.body) {
                Some(Body::Dir { .. }) => at = found.inode,
                Some(Body::Symlink(target)) => {
                    links += 1;
                    if links > LINKS {
                        return Err(Why::SymlinkLoop);
                    }
                    // What the link says stands before what is left of the path. A root it climbs over stays the root.
                    let target = target.clone();
                    self.followed += 1 + components(&target).count() as u64;
                    if self.followed > FOLLOWED {
                        return Err(Why::TooCostly);
                    }
                    if target.starts_with(b"/") {
                        at = ROOT;
                    }
                    for part in components(&target).rev() {
                        todo.push_front(part.into());
                    }
                }
                _ => return Err(Why::ParentNotDir),
            }
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

    fn parent(&self, dir: Id) -> Id {
        match self.inode(dir) {
            Some(Inode { body: Body::Dir { parent, .. }, .. }) => *parent,
            _ => ROOT,
        }
    }

    /// How far a name in a directory is from the root. Links may lead a short path to a deep place.
    pub(super) fn span(&self, dir: Id, name: &[u8]) -> Result<Span, Why> {
        let Some(Inode { body: Body::Dir { span, .. }, .. }) = self.inode(dir) else {
            return Err(Why::ParentNotDir);
        };
        let (bytes, depth) = (usize::from(span.bytes), usize::from(span.depth));
        let bytes = bytes + usize::from(bytes > 0) + name.len();
        if bytes > self.limits.path || depth >= self.limits.depth {
            return Err(Why::TooLong);
        }
        let small = |n: usize| u16::try_from(n).map_err(|_| Why::TooLong);
        Ok(Span { bytes: small(bytes)?, depth: small(depth + 1)? })
    }

    /// Counts the path of a name: links may lead many short paths to a place with a long one.
    pub(super) fn hold(&mut self, span: Span) -> Result<(), Why> {
        self.names += 1;
        self.text += u64::from(span.bytes);
        let most = self.limits.text.saturating_add(self.names.saturating_mul(self.limits.text_entry));
        if self.text > most { Err(Why::TooMuchText) } else { Ok(()) }
    }

    fn make_dir(&mut self, parent: Id, name: &[u8], place: Place) -> Result<Id, Why> {
        let span = self.span(parent, name)?;
        if name.len() > self.limits.component {
            return Err(Why::TooLong);
        }
        self.hold(span)?;
        let body = Body::Dir { parent, span, names: BTreeMap::new() };
        let inode = self.add(Inode { body, meta: missing_parent() })?;
        self.put(parent, name, Name { inode, place });
        Ok(inode)
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
