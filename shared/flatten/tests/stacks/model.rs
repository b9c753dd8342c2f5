//! What a stack of layers means: the image specification's layer section and the design's decisions, as plainly as
//! they can be written. Paths are lists of names, a file system is a map from paths to inodes, and it is copied freely.

use std::collections::BTreeMap;

use testkit::stack::{Layer, Meta, Stack, Tree, What, tree_of};

mod names;

use names::{Act, Path, components};

/// Why a stack is refused.
pub type Code = &'static str;

#[derive(Clone)]
struct Fs {
    paths: BTreeMap<Path, usize>,
    inodes: Vec<(What, Meta)>,
    root_is_set: bool,
}

/// The file tree that a stack gives. All layers are read before any is applied.
pub fn flatten(stack: &Stack) -> Result<Tree, Code> {
    let mut layers = Vec::new();
    for layer in &stack.layers {
        layers.push(read(layer)?);
    }
    let root = (What::Dir, Meta { mode: 0o755, mtime: (0, 0), ..Meta::default() });
    let mut fs = Fs { paths: BTreeMap::from([(Path::new(), 0)]), inodes: vec![root], root_is_set: false };
    for layer in &layers {
        fs.apply(layer)?;
    }
    let names: Vec<(Vec<u8>, usize)> = fs
        .paths
        .iter()
        .filter(|(path, _)| fs.root_is_set || !path.is_empty())
        .map(|(path, id)| (path.join(&b'/'), *id))
        .collect();
    Ok(tree_of(names.iter().map(|(path, id)| (path.as_slice(), *id)), |id| fs.inodes[id].clone()))
}

fn read(layer: &Layer) -> Result<Vec<(Path, Act)>, Code> {
    layer.ops.iter().map(names::read).filter_map(Result::transpose).collect()
}

impl Fs {
    fn apply(&mut self, layer: &[(Path, Act)]) -> Result<(), Code> {
        let below = self.clone();
        // Opaque first: it hides what the layers below have in a directory. A symbolic link is none.
        for (path, act) in layer {
            if *act == Act::Hide
                && !below.replaced(path, layer)
                && let Some(place) = below.place(path)
                && below.is_dir(&place)
            {
                self.paths.retain(|have, _| *have == place || !have.starts_with(&place));
            }
        }
        // Whiteouts delete from what is then left of the layers below. Where they stand does not matter.
        let left = self.clone();
        for (path, act) in layer {
            if *act == Act::Delete
                && !left.replaced(path, layer)
                && let Some(place) = left.place(path)
            {
                self.remove(&place);
            }
        }
        let left = self.clone();
        for (path, act) in layer {
            if let Act::Set(what, meta) = act {
                self.set(path, what, meta, &below, &left)?;
            }
        }
        Ok(())
    }

    /// Is a parent of a marker a symbolic link that its own layer has a directory for? That has nothing from below.
    fn replaced(&self, path: &Path, layer: &[(Path, Act)]) -> bool {
        (1..path.len()).any(|depth| {
            let parent = path[..depth].to_vec();
            let id = self.place(&parent).and_then(|place| self.paths.get(&place).copied());
            id.is_some_and(|id| matches!(self.inodes[id].0, What::Symlink(_)))
                && layer.iter().any(|(path, act)| *path == parent && matches!(act, Act::Set(What::Dir, _)))
        })
    }

    fn set(&mut self, path: &Path, what: &What, meta: &Meta, below: &Self, left: &Self) -> Result<(), Code> {
        let Some((name, parents)) = path.split_last() else {
            self.inodes[0].1 = meta.clone();
            self.root_is_set = true;
            return Ok(());
        };
        let mut place = self.resolve(parents, true)?.unwrap_or_default();
        place.push(name.clone());
        match what {
            What::Dir if self.is_dir(&place) => {
                let id = self.paths[&place];
                self.inodes[id].1 = meta.clone();
            }
            What::Hardlink(target) => {
                let id = self.target(target, &place, below, left)?;
                self.inodes[id].1 = self.linked(id, meta);
                self.remove(&place);
                self.paths.insert(place, id);
            }
            _ => {
                self.remove(&place);
                self.inodes.push((what.clone(), meta.clone()));
                self.paths.insert(place, self.inodes.len() - 1);
            }
        }
        Ok(())
    }

    /// The inode that a hardlink at `place` leads to.
    fn target(&self, target: &[u8], place: &Path, below: &Self, left: &Self) -> Result<usize, Code> {
        // The root, and whatever ends with `..`, is a directory.
        match components(target).split_last() {
            None => return Err("hardlink.to_dir"),
            Some((last, parents)) if last == b".." => {
                let there = matches!(self.clone().resolve(parents, false), Ok(Some(_)));
                return Err(if there { "hardlink.to_dir" } else { "hardlink.target_missing" });
            }
            _ => {}
        }
        let (fs, (at, id)) = match (self.find(target), below.find(target)) {
            (Some(found), _) => (self, found),
            // A whiteout of this layer took the name away, but not from this layer's links.
            (None, Some(found)) if left.find(target).is_none() => (below, found),
            _ => return Err("hardlink.target_missing"),
        };
        // Directories are told apart as inodes: one that was made again is another one.
        let (last, parents) = at.split_last().unwrap();
        let (own, own_parents) = place.split_last().unwrap();
        if last == own && fs.paths[parents] == self.paths[own_parents] {
            return Err("hardlink.target_missing");
        }
        if self.inodes[id].0 == What::Dir {
            return Err("hardlink.to_dir");
        }
        // What stands where the link goes is removed first, and all below it.
        let there = self.paths.get(place);
        if (0..=parents.len()).any(|depth| fs.paths.get(&parents[..depth]) == there) {
            return Err("hardlink.target_missing");
        }
        Ok(id)
    }

    /// A link's mode, owner and time count, and its attributes besides those there are.
    fn linked(&self, id: usize, meta: &Meta) -> Meta {
        let (what, old) = &self.inodes[id];
        let mut new = meta.clone();
        if !matches!(what, What::File(_)) {
            new.xattrs.retain(|name, _| !name.starts_with(b"user."));
        }
        new.xattrs = old.xattrs.clone().into_iter().chain(new.xattrs).collect();
        new
    }

    fn is_dir(&self, place: &Path) -> bool {
        self.paths.get(place).is_some_and(|id| self.inodes[*id].0 == What::Dir)
    }

    fn remove(&mut self, place: &Path) {
        self.paths.retain(|have, _| !have.starts_with(place));
    }

    /// Where an entry's path leads, parents resolved; nowhere if they do not exist.
    fn place(&self, path: &Path) -> Option<Path> {
        let Some((name, parents)) = path.split_last() else { return Some(Path::new()) };
        let mut place = self.clone().resolve(parents, false).ok()??;
        place.push(name.clone());
        Some(place)
    }

    /// Where a hardlink's target is. Its last name is not followed.
    fn find(&self, target: &[u8]) -> Option<(Path, usize)> {
        let place =
            self.place(&components(target)).filter(|place| place.last().is_none_or(|name| name != b".."))?;
        let id = *self.paths.get(&place)?;
        (!place.is_empty()).then_some((place, id))
    }

    /// The directory that a list of names leads to. Links never lead out of the root.
    fn resolve(&mut self, names: &[Vec<u8>], make: bool) -> Result<Option<Path>, Code> {
        let (mut at, mut todo, mut links) = (Path::new(), names.to_vec(), 0);
        while !todo.is_empty() {
            let name = todo.remove(0);
            if name == b".." {
                at.pop();
                continue;
            }
            let next = [&at[..], std::slice::from_ref(&name)].concat();
            match self.paths.get(&next).map(|id| self.inodes[*id].0.clone()) {
                Some(What::Dir) => at = next,
                Some(What::Symlink(target)) => {
                    links += 1;
                    if links > 40 {
                        return Err("path.symlink_loop");
                    }
                    if target.starts_with(b"/") {
                        at.clear();
                    }
                    todo = [components(&target), todo].concat();
                }
                Some(_) => return Err("path.parent_not_dir"),
                // Not there; what is left of it in the end is made.
                None => at = next,
            }
        }
        for depth in 1..=at.len() {
            let (place, name) = (at[..depth].to_vec(), &at[depth - 1]);
            if self.paths.contains_key(&place) {
                continue;
            }
            match () {
                () if !make => return Ok(None),
                // What no archive may say, no link may either.
                () if name.starts_with(b".wh.") => return Err("whiteout.in_path"),
                () if name.len() > 255 => return Err("path.too_long"),
                () => {}
            }
            let meta = Meta { mode: 0o755, mtime: (0, 0), ..Meta::default() };
            self.inodes.push((What::Dir, meta));
            self.paths.insert(place, self.inodes.len() - 1);
        }
        Ok(Some(at))
    }
}
