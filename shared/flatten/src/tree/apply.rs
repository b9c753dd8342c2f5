//! Applying one layer: first what it deletes, then what it has.

use std::collections::HashMap;

use oci::layer::{Meta, Xattrs, xattr_bytes};

use super::error::{TreeError, Why};
use super::replaced::Replaced;
use super::resolve::Missing;
use super::{At, Body, Id, Inode, Kept, Name, Place, ROOT, Tree};
use crate::index::{Item, LayerIndex, What};

pub(super) fn layer(tree: &mut Tree<'_>, layer: &LayerIndex) -> Result<(), TreeError> {
    let number = u32::try_from(tree.layers.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let at = |entry: usize, item: &Item<'_>| {
        let path = item.path.to_vec();
        move |why: Why| why.at(number, entry, &path)
    };
    let marked = layer.iter().any(|(_, item)| matches!(item.what, What::Opaque | What::Whiteout));
    let mut below = HashMap::new();
    for (entry, item) in layer.iter().filter(|_| marked) {
        if let What::Hardlink(target) = item.what
            && let Some(found) = below_of(tree, target).map_err(|why| at(entry, &item)(why))?
        {
            below.insert(entry, found);
        }
    }
    let replaced = if marked { Replaced::of(tree, layer) } else { Ok(Replaced::default()) };
    let replaced =
        replaced.map_err(|(entry, why)| why.at(number, entry, layer.get(entry).map_or(b"", |i| i.path)))?;
    for marker in [What::Opaque, What::Whiteout] {
        delete(tree, layer, marker, &replaced).map_err(|(entry, item, why)| at(entry, &item)(why))?;
    }
    // What is still there is found where it is, at the time of the link.
    let mut gone = HashMap::new();
    for (entry, found) in below {
        if let Some(item) = layer.get(entry)
            && let What::Hardlink(target) = item.what
            && below_of(tree, target).map_err(|why| at(entry, &item)(why))?.is_none()
        {
            gone.insert(entry, found);
        }
    }
    for (entry, item) in layer.iter() {
        let at_entry = At { layer: number, entry: u32::try_from(entry).unwrap_or(u32::MAX) };
        let place = Place { at: at_entry, step: Place::ENTRY };
        set(tree, &item, place, gone.get(&entry).copied()).map_err(|why| at(entry, &item)(why))?;
    }
    Ok(())
}

/// What a hardlink leads to in the layers below, and the directory it is in: a whiteout in the same layer may take the
/// name away, but an extractor that sees the link first has the content, so the link has it in either order.
fn below_of(tree: &mut Tree<'_>, target: &[u8]) -> Result<Option<(Id, Name)>, Why> {
    match tree.target_of(target) {
        Err(Why::TooCostly) => Err(Why::TooCostly),
        // Told when it is the link's turn: by then it may be another.
        found => Ok(found.ok().flatten()),
    }
}

/// Obeys the markers of one kind, against the tree as it is before any of them: so it does not matter where one stands.
fn delete<'i>(
    tree: &mut Tree<'_>,
    layer: &'i LayerIndex,
    marker: What<'_>,
    replaced: &Replaced,
) -> Result<(), (usize, Item<'i>, Why)> {
    let mut places = Vec::new();
    let mut whole = false;
    for (entry, item) in layer.iter().filter(|(_, item)| item.what == marker) {
        if replaced.holds(item.path) {
            continue;
        }
        match tree.place_of(item.path, Missing::Stop) {
            Ok(Some(place)) => places.push(place),
            Ok(None) => whole |= item.path.is_empty() && marker == What::Opaque,
            Err(Why::TooCostly) => return Err((entry, item, Why::TooCostly)),
            // No way to it: nothing to hide.
            Err(_) => {}
        }
    }
    if marker == What::Whiteout {
        for (dir, name) in places {
            if let Some(names) = tree.names_mut(dir) {
                names.remove(name);
            }
        }
        return Ok(());
    }
    let hidden: Vec<Id> =
        places.into_iter().filter_map(|(dir, name)| Some(tree.child(dir, name)?.inode)).collect();
    for dir in hidden.into_iter().chain(whole.then_some(ROOT)) {
        // A symbolic link is no directory: what it leads to is left alone.
        if let Some(names) = tree.names_mut(dir) {
            names.clear();
        }
    }
    Ok(())
}

fn set(tree: &mut Tree<'_>, item: &Item<'_>, place: Place, below: Option<(Id, Name)>) -> Result<(), Why> {
    if matches!(item.what, What::Whiteout | What::Opaque) {
        return Ok(());
    }
    let Some((dir, name)) = tree.place_of(item.path, Missing::Make(place.at))? else {
        if item.what != What::Dir {
            return Err(Why::RootType);
        }
        set_meta(tree, ROOT, place.at);
        tree.root = Some(place);
        return Ok(());
    };
    let reach = tree.reach(dir, name)?;
    let there = tree.child(dir, name);
    let merged = there.filter(|there| item.what == What::Dir && tree.dir(there.inode).is_some());
    if there.is_some_and(|t| t.place.at.layer == place.at.layer && t.place.step == Place::ENTRY)
        && merged.is_none()
    {
        tree.warn(item.path, "it stands twice in one layer, the last one counts");
    }
    let inode = match (item.what, merged) {
        (What::Hardlink(target), _) => link(tree, item, target, (dir, name), below)?,
        // A directory over a directory keeps its children.
        (_, Some(there)) => {
            set_meta(tree, there.inode, place.at);
            there.inode
        }
        (What::Dir, None) => tree.add_dir(dir, name, reach, Kept::Of(place.at))?,
        _ => tree.add(Inode { body: Body::Leaf(place.at), kept: Kept::Of(place.at) })?,
    };
    tree.hold(reach)?;
    tree.put(dir, name, Name { inode, place });
    Ok(())
}

fn set_meta(tree: &mut Tree<'_>, id: Id, at: At) {
    if let Some(inode) = tree.inodes.get_mut(id as usize) {
        inode.kept = Kept::Of(at);
    }
}

/// The inode that a hardlink names. Its header's owner, mode and time count, as extractors set them on the inode.
fn link(
    tree: &mut Tree<'_>,
    item: &Item<'_>,
    target: &[u8],
    own: (Id, &[u8]),
    below: Option<(Id, Name)>,
) -> Result<Id, Why> {
    let (dir, Name { inode: found, .. }) = tree.target_of(target)?.or(below).ok_or(Why::TargetMissing)?;
    let last = oci::path::components(target).next_back().unwrap_or_default();
    if (dir, last) == own {
        return Err(Why::TargetMissing);
    }
    let on_special = match tree.what(found) {
        Some((What::Dir, _)) => return Err(Why::LinkToDir),
        Some((what, _)) => !matches!(what, What::File(_)),
        None => return Err(Why::TargetMissing),
    };
    // What stands where the link goes is removed before it is made, and the target with it if it is in there.
    if let Some(there) = tree.child(own.0, own.1)
        && tree.is_within(dir, there.inode)
    {
        return Err(Why::TargetMissing);
    }
    let told = merge_meta(tree, found, item.meta, on_special)?;
    for sentence in told {
        tree.warn(item.path, sentence);
    }
    Ok(found)
}

/// Gives an inode what a link to it says. Answers what is odd about that.
fn merge_meta(
    tree: &mut Tree<'_>,
    found: Id,
    new: &Meta,
    on_special: bool,
) -> Result<Vec<&'static str>, Why> {
    let old = tree.meta(found).ok_or(Why::TargetMissing)?;
    let changed = (old.mode, old.uid, old.gid) != (new.mode, new.uid, new.gid);
    if !changed && old.mtime == new.mtime && new.xattrs.is_empty() {
        return Ok(Vec::new());
    }
    let (most, room) = (tree.limits.xattrs, tree.limits.xattr_bytes);
    // Copied once, so that a thousand links to an inode of many attributes do not copy those a thousand times.
    let shared = !matches!(tree.inode(found), Some(Inode { kept: Kept::Own(_), .. }));
    let copy = shared.then(|| Box::new(old.clone()));
    let inode = tree.inodes.get_mut(found as usize).ok_or(Why::TargetMissing)?;
    let mut meta = match (std::mem::replace(&mut inode.kept, Kept::Made), copy) {
        (Kept::Own(meta), _) | (_, Some(meta)) => meta,
        // An inode's attributes are shared or its own.
        (_, None) => Box::default(),
    };
    (meta.mode, meta.uid, meta.gid, meta.mtime) = (new.mode, new.uid, new.gid, new.mtime);
    let dropped = merge(&mut meta.xattrs, &new.xattrs, on_special);
    let fits = new.xattrs.is_empty() || (meta.xattrs.len() <= most && xattr_bytes(&meta.xattrs) <= room);
    inode.kept = Kept::Own(meta);
    if !fits {
        return Err(Why::TooManyXattrs);
    }
    let mut told = Vec::new();
    if dropped {
        told.push("a `user` attribute of a link to what is no file is dropped");
    }
    if changed {
        told.push("a hardlink has another mode or owner than its target; the link's counts");
    }
    Ok(told)
}

/// Adds the attributes of a link to those of its target; was one left out, which only files and directories can have?
fn merge(have: &mut Xattrs, new: &Xattrs, on_special: bool) -> bool {
    let mut dropped = false;
    for (name, value) in new {
        if on_special && name.starts_with(b"user.") {
            dropped = true;
            continue;
        }
        match have.binary_search_by(|(have, _)| have.cmp(name)) {
            Ok(place) => {
                if let Some(have) = have.get_mut(place) {
                    have.1.clone_from(value);
                }
            }
            Err(place) => have.insert(place, (name.clone(), value.clone())),
        }
    }
    dropped
}
