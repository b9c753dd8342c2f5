//! Applying one layer: first what it deletes, then what it has.

use std::collections::HashMap;
use std::sync::Arc;

use oci::layer::{Kind, Meta, Xattrs, xattr_bytes};

use super::error::{TreeError, Why};
use super::resolve::Missing;
use super::{Body, Id, Inode, Name, Place, ROOT, Tree, body, missing_parent};
use crate::index::{Item, What};

pub(super) fn layer(tree: &mut Tree, items: &[Item]) -> Result<(), TreeError> {
    let layer = tree.layers;
    let at = |entry: usize, item: &Item| {
        let path = item.path.clone();
        move |why: Why| why.at(layer, entry, &path)
    };
    let mut below = HashMap::new();
    for (entry, item) in items.iter().enumerate() {
        if let What::Other(Kind::Hardlink(target)) = &item.what
            && let Some(found) = below_of(tree, target).map_err(at(entry, item))?
        {
            below.insert(entry, found);
        }
    }
    // Opaque directories first, then whiteouts: both against the tree of the layers below.
    for marker in [Kind::Opaque, Kind::Whiteout] {
        let marker = What::Other(marker);
        for (entry, item) in items.iter().enumerate().filter(|(_, item)| item.what == marker) {
            delete(tree, item).map_err(at(entry, item))?;
        }
    }
    for (entry, item) in items.iter().enumerate() {
        let place = Place { layer, entry: u32::try_from(entry).unwrap_or(u32::MAX), step: u16::MAX };
        set(tree, item, place, below.get(&entry).copied()).map_err(at(entry, item))?;
    }
    Ok(())
}

/// What a hardlink leads to in the layers below: a whiteout in the same layer may take the name away, but an extractor
/// that sees the link first has the content, so the link has it in either order.
fn below_of(tree: &mut Tree, target: &[u8]) -> Result<Option<Id>, Why> {
    match tree.target_of(target) {
        Ok(found) => Ok(found.map(|(_, name)| name.inode)),
        Err(Why::TooCostly) => Err(Why::TooCostly),
        // Told when it is the link's turn: by then it may be another.
        Err(_) => Ok(None),
    }
}

fn delete(tree: &mut Tree, item: &Item) -> Result<(), Why> {
    let place = match tree.place_of(&item.path, Missing::Stop) {
        Err(Why::TooCostly) => return Err(Why::TooCostly),
        // Nothing there, or no way to it: nothing to hide.
        other => other.ok().flatten(),
    };
    if item.what == What::Other(Kind::Whiteout) {
        if let Some((parent, name)) = place
            && let Some(names) = tree.names_mut(parent)
        {
            names.remove(name);
        }
        return Ok(());
    }
    let dir = match place {
        Some((parent, name)) => tree.child(parent, name).map(|found| found.inode),
        None => item.path.is_empty().then_some(ROOT),
    };
    // A symbolic link is no directory: what it leads to is left alone.
    if let Some(names) = dir.and_then(|dir| tree.names_mut(dir)) {
        names.clear();
    }
    Ok(())
}

fn set(tree: &mut Tree, item: &Item, place: Place, below: Option<Id>) -> Result<(), Why> {
    if matches!(item.what, What::Other(Kind::Whiteout | Kind::Opaque)) {
        return Ok(());
    }
    let Some((dir, name)) = tree.place_of(&item.path, Missing::Make(place))? else {
        return set_root(tree, item, place);
    };
    let span = tree.span(dir, name)?;
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
            let Some(body) = body(item, place.layer, dir, span) else { return Ok(()) };
            tree.add(Inode { body, meta: Arc::clone(&item.meta) })?
        }
    };
    tree.hold(span)?;
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
fn link(tree: &mut Tree, item: &Item, target: &[u8], own: (Id, &[u8]), below: Option<Id>) -> Result<Id, Why> {
    let found = match tree.target_of(target)? {
        Some((dir, found)) => {
            let last = oci::path::components(target).next_back().unwrap_or_default();
            if (dir, last) == own {
                return Err(Why::TargetMissing);
            }
            found.inode
        }
        None => below.ok_or(Why::TargetMissing)?,
    };
    let (most, room) = (tree.limits.xattrs, tree.limits.xattr_bytes);
    let inode = tree.inodes.get_mut(found as usize).ok_or(Why::TargetMissing)?;
    if matches!(inode.body, Body::Dir { .. }) {
        return Err(Why::LinkToDir);
    }
    let new = &item.meta;
    let changed = (inode.meta.mode, inode.meta.uid, inode.meta.gid) != (new.mode, new.uid, new.gid);
    if changed || inode.meta.mtime != new.mtime || !new.xattrs.is_empty() {
        // Taken out, so that a thousand links to an inode of many attributes do not copy those a thousand times.
        let mut meta = Arc::unwrap_or_clone(std::mem::replace(&mut inode.meta, missing_parent()));
        (meta.mode, meta.uid, meta.gid, meta.mtime) = (new.mode, new.uid, new.gid, new.mtime);
        let merged = merge(&mut meta.xattrs, &new.xattrs, most, room);
        inode.meta = Arc::new(meta);
        merged?;
    }
    if changed {
        tree.warn(&item.path, "a hardlink has another mode or owner than its target; the link's counts");
    }
    Ok(found)
}

/// Adds the attributes of a link to those of its target. Together they must still fit into one header.
fn merge(have: &mut Xattrs, new: &Xattrs, most: usize, room: usize) -> Result<(), Why> {
    for (name, value) in new {
        match have.binary_search_by(|(have, _)| have.cmp(name)) {
            Ok(place) => {
                if let Some(have) = have.get_mut(place) {
                    have.1.clone_from(value);
                }
            }
            Err(place) => have.insert(place, (name.clone(), value.clone())),
        }
    }
    let fits = new.is_empty() || (have.len() <= most && xattr_bytes(have) <= room);
    if fits { Ok(()) } else { Err(Why::TooManyXattrs) }
}
