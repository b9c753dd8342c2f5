//! The certificate of a flat tar, read back.
//!
//! It shares the layer reader with the import and the canonical form with the model, but nothing with the model itself or
//! with what wrote the tar.

use std::io::Read;

use oci::layer::{Entry, Kind, LayerError, LayerReader};
use oci::limits::{Budget, Limits};

use super::names::{Named, Names, not_flat};
use super::{Certificate, inode};
use crate::index::{Content, Place, What};

/// Reads a flat tar back, and computes its certificate and diff_id.
///
/// # Errors
/// When the tar is damaged, or is not flat: it has a path twice, a marker, or a link to what is not before it.
pub fn certify<R: Read + Send + 'static>(
    plain: R,
    limits: Limits,
) -> Result<(Certificate, [u8; 32]), LayerError> {
    let mut reader = LayerReader::open(plain, Budget::new(limits))?;
    let mut names = Names::default();
    let mut buffer = vec![0; 128 << 10];
    while let Some(entry) = reader.next_entry()? {
        let mut hash = blake3::Hasher::new();
        if matches!(entry.kind, Kind::File(_)) {
            loop {
                let read = reader.read_content(&mut buffer)?;
                let Some(fresh) = buffer.get(..read).filter(|fresh| !fresh.is_empty()) else { break };
                hash.update(fresh);
            }
        }
        let place = names.count();
        names.add(&entry.path, named(place, &entry, hash.finalize().into())?)?;
    }
    let ended = reader.end()?;
    Ok((names.certificate()?, ended.diff_id))
}

/// What an entry is a name of.
pub(crate) fn named(place: usize, entry: &Entry, digest: [u8; 32]) -> Result<Named<'_>, LayerError> {
    let what = match &entry.kind {
        Kind::Whiteout | Kind::Opaque => {
            return Err(not_flat(place, &entry.path, "The flat layer holds a whiteout."));
        }
        Kind::Hardlink(target) => return Ok(Named::Link(target)),
        Kind::File(size) => What::File(Content { digest, size: *size, place: Place::Nowhere }),
        Kind::Symlink(target) => What::Symlink(target),
        Kind::Dir => What::Dir,
        Kind::Char(major, minor) => What::Char(*major, *minor),
        Kind::Block(major, minor) => What::Block(*major, *minor),
        Kind::Fifo => What::Fifo,
    };
    Ok(Named::Inode(inode(what, &entry.meta)))
}
