//! What the name of an entry means, and which entries are refused or dropped before anything is applied.

use testkit::stack::{Meta, Op, What};

use super::Code;

/// Names from the root on.
pub type Path = Vec<Vec<u8>>;

/// What an entry does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Hides what is in a directory.
    Hide,
    /// Deletes a path.
    Delete,
    /// Sets a path.
    Set(What, Meta),
}

/// The names of a path, as written.
pub fn components(path: &[u8]) -> Path {
    let names = path.split(|byte| *byte == b'/');
    names.filter(|name| !name.is_empty() && *name != b".").map(<[u8]>::to_vec).collect()
}

/// Understands an entry; nothing when it is dropped.
pub fn read(op: &Op) -> Result<Option<(Path, Act)>, Code> {
    let mut path = Path::new();
    let written = components(&op.path);
    for name in &written {
        if name == b".." {
            path.pop().ok_or("path.escape")?;
        } else if name.len() > 255 {
            return Err("path.too_long");
        } else {
            path.push(name.clone());
        }
    }
    if written.last().is_some_and(|name| name == b"..") {
        return Err("path.escape");
    }
    let aufs = [&b".wh..wh.aufs"[..], b".wh..wh.plnk", b".wh..wh.orph"];
    if path.iter().any(|name| aufs.contains(&name.as_slice())) {
        return Ok(None);
    }
    if let Some((last, parents)) = path.split_last() {
        if parents.iter().any(|name| name.starts_with(b".wh.")) {
            return Err("whiteout.in_path");
        }
        if last == b".wh..wh..opq" {
            return Ok(Some((parents.to_vec(), Act::Hide)));
        }
        if let Some(name) = last.strip_prefix(b".wh.") {
            if matches!(name, b"" | b"." | b"..") {
                return Err("whiteout.invalid");
            }
            return Ok(Some(([parents, &[name.to_vec()]].concat(), Act::Delete)));
        }
    } else if op.what != What::Dir || op.path.is_empty() {
        return Err("path.root_type");
    }
    if op.what == What::Char(0, 0) {
        return Ok(None);
    }
    Ok(Some((path, Act::Set(op.what.clone(), kept(op)))))
}

/// What is kept of an entry's metadata.
fn kept(op: &Op) -> Meta {
    let mut meta = op.meta.clone();
    let far = 1 << 34;
    if meta.mtime.0.abs() > far {
        meta.mtime = (meta.mtime.0.clamp(-far, far), 0);
    }
    meta.xattrs.retain(|name, _| {
        let overlay = name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.");
        let on_link =
            name.starts_with(b"user.") && !matches!(op.what, What::File(_) | What::Dir | What::Hardlink(_));
        !overlay && !on_link && name != b"security.selinux"
    });
    meta
}
