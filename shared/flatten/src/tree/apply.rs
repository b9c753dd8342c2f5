//! Applying one layer: first what it deletes, then what it has.

use std::collections::HashMap;
use std::sync::Arc;

use oci::layer::{Kind, Meta};

use super::error::{TreeError, Why};
use super::resolve::Missing;
use super::{Body, Id, Inode, Name, Place, ROOT, Tree, body};
use crate::index::{Item, What};

pub(super) fn layer(tree: &mut Tree, items: &[Item]) -> Result<(), TreeError> {
    let layer = tree.layers;
    let mut below = links_below(tree, items);
    delete(tree, items);
    // What is still there is found where it is, at the time of the link.
    below.retain(|entry, _| match items.get(*entry).map(|item| &item.what) {
        Some(What::Other(Kind::Hardlink(target))) => tree.target_of(target).is_none(),
        _ => false,
    });
    for (entry, item) in items.iter().enumerate() {
        let place = Place { layer, entry: u32::try_from(entry).unwrap_or(u32::MAX), step: u16::MAX };
        set(tree, item, place, below.get(&entry).copied()).map_err(|why| why.at(layer, entry, &item.path))?;
    }
    Ok(())
}

/// What hardlinks of this layer lead to in the layers below, and the directory it is in: a whiteout in the same layer
/// may take the name away, but an extractor that sees the link first has the content, so the link has it in either
/// order.
fn links_below(tree: &mut Tree, items: &[Item]) -> HashMap<usize, (Id, Name)> {
    let mut found = HashMap::new();
    for (entry, item) in items.iter().enumerate() {
        if let What::Other(Kind::Hardlink(target)) = &item.what
            && let Some(target) = tree.target_of(target)
        {
            found.insert(entry, target);
        }
    }
    found
}

/// Opaque directories first, then whiteouts: each kind against the tree as it found it, so that it does not matter
/// where a marker stands.
fn delete(tree: &mut Tree, items: &[Item]) {
    let mut hidden = Vec::new();
    for item in items.iter().filter(|item| item.what == What::Other(Kind::Opaque)) {
        let dir = match tree.place_of(&item.path, Missing::Stop) {
            Ok(Some((parent, name))) => tree.child(parent, name).map(|found| found.inode),
            Ok(None) if item.path.is_empty() => Some(ROOT),
            // Nothing there, or no way to it: nothing to hide.
            _ => None,
        };
        hidden.extend(dir);
    }
    for dir in hidden {
        // A symbolic link is no directory: what it leads to is left alone.
        if let Some(names) = tree.names_mut(dir) {
            names.clear();
        }
    }
    let mut deleted = Vec::new();
    for item in items.iter().filter(|item| item.what == What::Other(Kind::Whiteout)) {
        deleted.extend(tree.place_of(&item.path, Missing::Stop).ok().flatten());
    }
    for (parent, name) in deleted {
        if let Some(names) = tree.names_mut(parent) {
            names.remove(name);
        }
    }
}

fn set(tree: &mut Tree, item: &Item, place: Place, below: Option<(Id, Name)>) -> Result<(), Why> {
    if matches!(item.what, What::Other(Kind::Whiteout | Kind::Opaque)) {
        return Ok(());
    }
    let Some((dir, name)) = tree.place_of(&item.path, Missing::Make(place))? else {
        return set_root(tree, item, place);
    };
    let reach = tree.reach(dir, name)?;
    let there = tree.child(dir, name);
    if there.is_some_and(|there| there.place.layer == place.layer && there.place.step == u16::MAX) {
        let again =
            item.what == What::Other(Kind::Dir) && there.is_some_and(|there| tree.is_dir(there.inode));
        if !again {
            tree.warn(&item.path, "it stands twice in one layer, the last one counts");
        }
    }
    let inode = match &item.what {
        What::Other(Kind::Hardlink(target)) => link(tree, item, target, (dir, name), below)?,
        What::Other(Kind::Dir) if there.is_some_and(|there| tree.is_dir(there.inode)) => {
            // A directory over a directory keeps its children.
            let id = there.map_or(ROOT, |there| there.inode);
            set_meta(tree, id, &item.meta);
            id
        }
        _ => {
            let Some(body) = body(item, place.layer, dir, reach) else { return Ok(()) };
            tree.add(Inode { body, meta: Arc::clone(&item.meta) })?
        }
    };
    tree.put(dir, name, Name { inode, place });
    Ok(())
}

fn set_root(tree: &mut Tree, item: &Item, place: Place) -> Result<(), Why> {
    if item.what != What::Other(Kind::Dir) {
        return Err(Why::RootType);
    }
    set_meta(tree, ROOT, &item.meta);
    tree.root = Some(place);
    Ok(())
}

fn set_meta(tree: &mut Tree, id: Id, meta: &Arc<Meta>) {
    if let Some(inode) = tree.inodes.get_mut(id as usize) {
        inode.meta = Arc::clone(meta);
    }
}

/// The inode that a hardlink names. Its header's owner, mode and time count, as extractors set them on the inode.
fn link(
    tree: &mut Tree,
    item: &Item,
    target: &[u8],
    own: (Id, &[u8]),
    below: Option<(Id, Name)>,
) -> Result<Id, Why> {
    let (dir, Name { inode: found, .. }) = tree.target_of(target).or(below).ok_or(Why::TargetMissing)?;
    let last = oci::path::components(target).next_back().unwrap_or_default();
    if (dir, last) == own {
        return Err(Why::TargetMissing);
    }
    let (old, on_symlink) = match tree.inode(found) {
        Some(Inode { body: Body::Dir { .. }, .. }) => return Err(Why::LinkToDir),
        Some(inode) => (Arc::clone(&inode.meta), matches!(inode.body, Body::Symlink(_))),
        None => return Err(Why::TargetMissing),
    };
    // What stands where the link goes is removed before it is made, and the target with it if it is in there.
    if let Some(there) = tree.child(own.0, own.1)
        && tree.is_within(dir, there.inode)
    {
        return Err(Why::TargetMissing);
    }
    let new = &item.meta;
    let mut meta = Meta { xattrs: old.xattrs.clone(), ..(**new).clone() };
    for (name, value) in &new.xattrs {
        if on_symlink && name.starts_with(b"user.") {
            tree.warn(&item.path, "a `user` attribute of a link to a symbolic link is dropped");
            continue;
        }
        match meta.xattrs.binary_search_by(|(have, _)| have.cmp(name)) {
            Ok(place) => {
                if let Some(have) = meta.xattrs.get_mut(place) {
                    have.1.clone_from(value);
                }
            }
            Err(place) => meta.xattrs.insert(place, (name.clone(), value.clone())),
        }
    }
    if (old.mode, old.uid, old.gid) != (meta.mode, meta.uid, meta.gid) {
        tree.warn(&item.path, "a hardlink has another mode or owner than its target; the link's counts");
    }
    if *old != meta {
        set_meta(tree, found, &Arc::new(meta));
    }
    Ok(found)
}
