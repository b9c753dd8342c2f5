//! The two digests of a layer as they grow, and their states on the way.

use crate::error::Error;
use sha2::{
    Digest, Sha256,
    digest::common::hazmat::{SerializableState, SerializedState},
};

/// SHA-256 midstates of a blob and of its tar after some chunks: whoever begins with the same chunks goes on from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many chunks that are.
    pub chunks: usize,
    /// Bytes of the blob so far.
    pub size: u64,
    /// Bytes of the tar so far.
    pub plain: u64,
    /// State of the blob's digest.
    pub blob: Vec<u8>,
    /// State of the tar's digest.
    pub diff: Vec<u8>,
}

impl Checkpoint {
    /// The version of the form of the states, which `sha2` keeps within a minor version: of another no use is made.
    pub const VERSION: i32 = 11;
}

#[derive(Clone, Default)]
pub(super) struct Hashes {
    blob: Sha256,
    diff: Sha256,
    pub(super) size: u64,
    pub(super) plain: u64,
}

impl Hashes {
    pub(super) fn resume(from: &Checkpoint) -> Result<Hashes, Error> {
        let state = |bytes: &[u8]| {
            let whole = SerializedState::<Sha256>::try_from(bytes).ok();
            let state = whole.and_then(|state| Sha256::deserialize(&state).ok());
            state.ok_or_else(|| Error::Damaged("a checkpoint of hashes is none".into()))
        };
        let Checkpoint { size, plain, blob, diff, .. } = from;
        Ok(Hashes { blob: state(blob)?, diff: state(diff)?, size: *size, plain: *plain })
    }

    pub(super) fn add(&mut self, compressed: &[u8], plain: &[u8]) {
        self.blob.update(compressed);
        self.diff.update(plain);
        self.size += compressed.len() as u64;
        self.plain += plain.len() as u64;
    }

    pub(super) fn checkpoint(&self, chunks: usize) -> Checkpoint {
        let state = |hash: &Sha256| hash.serialize().to_vec();
        let (blob, diff) = (state(&self.blob), state(&self.diff));
        Checkpoint { chunks, size: self.size, plain: self.plain, blob, diff }
    }

    /// Digest of the blob, and of the tar.
    pub(super) fn finish(self) -> ([u8; 32], [u8; 32]) {
        (self.blob.finalize().into(), self.diff.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_goes_on_from_a_checkpoint() {
        let mut hashes = Hashes::default();
        hashes.add(&[1; 1000], &[2; 77_777]);
        let mut resumed = Hashes::resume(&hashes.checkpoint(1)).unwrap();
        for hashes in [&mut hashes, &mut resumed] {
            hashes.add(b"more", b"and more");
        }
        assert_eq!((resumed.size, resumed.plain), (1004, 77_785));
        assert_eq!(resumed.finish(), hashes.finish());
        let mut bad = Hashes::default().checkpoint(0);
        bad.diff.pop();
        assert_eq!(Hashes::resume(&bad).err().map(|e| e.code()), Some("store.damaged"));
    }
}
