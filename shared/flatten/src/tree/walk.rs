//! Going through a tree: in the order it is written, and in the order of its paths.

use std::collections::{HashMap, btree_map};

use super::{Id, Name, Place, ROOT, Tree};

/// A name as it is come by: the path is put together when it is needed, not kept for each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walked<'t> {
    place: Place,
    /// The directory it is in; for the root itself, the root.
    dir: Id,
    name: &'t [u8],
    /// The inode it names.
    pub(crate) inode: Id,
}

impl Walked<'_> {
    /// The layer that last set it, or something in it.
    pub(crate) fn layer(&self) -> u32 {
        self.place.at.layer
    }
}

/// A directory that is gone through: the length of its path, and the names still to come.
type Open<'t> = (usize, btree_map::Iter<'t, Box<[u8]>, Name>);

impl Tree<'_> {
    /// Every name, in the order it is written; paths are those of the tree, whatever symlinks they were set through.
    pub(crate) fn walk(&self) -> Vec<Walked<'_>> {
        let mut found = Vec::new();
        if let Some(place) = self.root {
            found.push(Walked { place, dir: ROOT, name: b"", inode: ROOT });
        }
        let mut dirs = vec![ROOT];
        // Parents before what is in them.
        let mut seen = Vec::new();
        while let Some(dir) = dirs.pop() {
            seen.push(dir);
            for (name, Name { inode, place }) in self.dir(dir).into_iter().flat_map(|dir| &dir.names) {
                if self.dir(*inode).is_some() {
                    dirs.push(*inode);
                }
                found.push(Walked { place: *place, dir, name, inode: *inode });
            }
        }
        self.after_what_is_in_them(&mut found, &seen);
        // Of directories that stand in one place the inner ones are first: their paths are the greater ones.
        found.sort_unstable_by(|a, b| a.place.cmp(&b.place).then_with(|| self.path(b).cmp(&self.path(a))));
        found
    }

    /// Moves a directory behind the directories in it. Who extracts them makes one whose header is still to come as a
    /// missing parent, and some leave the directory above with the time of that.
    fn after_what_is_in_them(&self, found: &mut [Walked<'_>], dirs: &[Id]) {
        let mut places: HashMap<Id, Place> = HashMap::with_capacity(dirs.len());
        let own = found.iter().filter(|name| self.dir(name.inode).is_some());
        places.extend(own.map(|name| (name.inode, name.place)));
        for dir in dirs.iter().rev() {
            let (Some(place), Some(parent)) =
                (places.get(dir).copied(), self.dir(*dir).map(|dir| dir.parent))
            else {
                continue;
            };
            if let Some(above) = places.get_mut(&parent) {
                *above = place.max(*above);
            }
        }
        for name in found {
            name.place = places.get(&name.inode).copied().unwrap_or(name.place);
        }
    }

    /// The path of a name.
    pub(crate) fn path(&self, walked: &Walked<'_>) -> Vec<u8> {
        let mut parts = vec![walked.name];
        let mut at = walked.dir;
        while at != ROOT
            && let Some(dir) = self.dir(at)
        {
            parts.push(&dir.name);
            at = dir.parent;
        }
        parts.reverse();
        parts.join(&b'/')
    }

    /// Every name, in the order of its path, name by name: a directory stands right before what it holds.
    pub(crate) fn by_path(&self, mut each: impl FnMut(&[u8], Id)) {
        let mut path: Vec<u8> = Vec::new();
        if self.root.is_some() {
            each(&path, ROOT);
        }
        let mut open: Vec<Open<'_>> = Vec::new();
        open.extend(self.dir(ROOT).map(|root| (0, root.names.iter())));
        while let Some((length, names)) = open.last_mut() {
            path.truncate(*length);
            let Some((name, Name { inode, .. })) = names.next() else {
                open.pop();
                continue;
            };
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            each(&path, *inode);
            if let Some(dir) = self.dir(*inode) {
                open.push((path.len(), dir.names.iter()));
            }
        }
    }
}
