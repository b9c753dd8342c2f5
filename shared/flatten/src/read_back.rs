//! Reading a flat layer back, whole, from the bytes that are stored or served.

use std::io::{self, Read};
use std::sync::mpsc::Sender;

use oci::layer::LayerError;
use oci::limits::Limits;
use sha2::{Digest, Sha256};

use crate::certificate::{Certificate, certify};

/// What the bytes of a flat layer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBack {
    /// SHA-256 of the blob.
    pub digest: [u8; 32],
    /// SHA-256 of the tar in it.
    pub diff_id: [u8; 32],
    /// The digest of its file tree.
    pub certificate: Certificate,
}

/// Reads a blob to its end in one pass. How large it may be was decided when it was made, so nothing is refused for its
/// size.
///
/// # Errors
/// As [`certify`].
pub fn read_back<R: Read + Send + 'static>(blob: R) -> Result<ReadBack, LayerError> {
    let (done, digest) = std::sync::mpsc::channel();
    let blob = Hashing { inner: blob, hash: Sha256::new(), done };
    let (certificate, diff_id) = certify(blob, Limits::stored())?;
    let gone = || LayerError::new("verify.unreadable", "The reader of the blob went away.");
    Ok(ReadBack { digest: digest.recv().map_err(|_| gone())?, diff_id, certificate })
}

/// Hashes what passes, and tells the digest when the layer reader, which takes it over, is done with it.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
    done: Sender<[u8; 32]>,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.hash.update(into.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl<R> Drop for Hashing<R> {
    fn drop(&mut self) {
        let _ = self.done.send(std::mem::take(&mut self.hash).finalize().into());
    }
}
