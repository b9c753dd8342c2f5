//! The layers of an image in an archive.

use std::io::Read;

use super::ArchiveError;
use super::shelf::{Shelf, blob_path};
use super::slice::Slice;
use crate::digest::{Digest, Mismatch, VerifyingReader};
use crate::manifest::Descriptor;

/// The layers of one image, each ready to be read any number of times.
#[derive(Debug, Clone)]
pub struct ArchiveLayers(Vec<Layer>);

#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) bytes: Slice,
    /// What its bytes must hash to, where the archive says so.
    pub(super) digest: Option<Digest>,
}

impl ArchiveLayers {
    pub(super) fn new(layers: Vec<Layer>) -> Self {
        Self(layers)
    }

    /// A layer by its place, the lowest first. A layer with a digest is held to it; the
    /// [`Mismatch`] arrives inside the [`std::io::Error`].
    pub fn open(&self, place: usize) -> Option<Box<dyn Read + Send>> {
        let Layer { bytes, digest } = self.0.get(place)?.clone();
        let size = bytes.len();
        Some(match digest {
            Some(digest) => Box::new(VerifyingReader::new(bytes, digest, size)),
            None => Box::new(bytes),
        })
    }
}

/// A layer of an OCI layout, checked to be there in its size.
pub(super) fn layer(shelf: &Shelf, descriptor: &Descriptor) -> Result<Layer, ArchiveError> {
    let digest = descriptor.digest.clone();
    let Some(bytes) = shelf.get(&blob_path(&digest))? else {
        return Err(match descriptor.is_foreign() {
            true => ArchiveError::Foreign(digest),
            false => ArchiveError::Invalid(format!("layer {digest} is missing")),
        });
    };
    if bytes.len() != descriptor.size {
        let found = bytes.len().to_string();
        return Err(Mismatch::Size { digest, expected: descriptor.size, found }.into());
    }
    Ok(Layer { bytes, digest: Some(digest) })
}
