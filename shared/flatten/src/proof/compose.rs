//! A certificate from proofs.

use oci::layer::LayerError;

use super::entries::{Proven, read};
use super::invalid;
use crate::certificate::{Certificate, Named, Names, file};

/// Puts the certificate of a flat layer together from the proofs of its pieces, given in order. It is the one that
/// [`crate::certify`] computes from the whole.
#[derive(Default)]
pub struct Composer {
    names: Names,
    /// The large file whose content must come next: its path, size, and what is kept about it.
    large: Option<(Vec<u8>, u64, Vec<u8>)>,
    ended: bool,
}

impl Composer {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next piece is a batch of this proof. Answers the size of the large content that must follow, if one must.
    ///
    /// # Errors
    /// When the proof is damaged, or a batch is not what may come next.
    pub fn batch(&mut self, proof: &[u8]) -> Result<Option<u64>, LayerError> {
        let Self { names, large, ended } = self;
        read(proof, |path, proven| {
            if large.is_some() || *ended {
                return Err(invalid("something follows where nothing may"));
            }
            match proven {
                Proven::Named(named) => names.add(path, named)?,
                Proven::Large { size, kept } => *large = Some((path.to_vec(), size, kept.to_vec())),
                Proven::End => *ended = true,
            }
            Ok(())
        })?;
        Ok(self.large.as_ref().map(|(_, size, _)| *size))
    }

    /// The next piece is the content of a large file.
    ///
    /// # Errors
    /// When no content of this size may come next.
    pub fn content(&mut self, digest: &[u8; 32], size: u64) -> Result<(), LayerError> {
        let wanted = self.large.take().filter(|(_, wanted, _)| *wanted == size);
        let (path, size, kept) = wanted.ok_or_else(|| invalid("a content stands where it may not"))?;
        self.names.add(&path, Named::Inode(file(digest, size, &kept)))
    }

    /// The certificate.
    ///
    /// # Errors
    /// When the archive has not ended, or is not flat.
    pub fn finish(self) -> Result<Certificate, LayerError> {
        if !self.ended {
            return Err(invalid("it does not end"));
        }
        self.names.certificate()
    }
}
