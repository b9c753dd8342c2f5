//! Chunks: how one is known, where one lies, and the one question asked about them.

mod codec;
mod sizes;

pub use codec::Codec;
pub(crate) use codec::Engines;
pub use sizes::ChunkSizes;

use crate::pack::PackId;

/// What makes two chunks the same: equal plain bytes, compressed the same way.
///
/// A part of a large file is known by the BLAKE3 of its plain bytes. A batch of small files is known by what it is made of,
/// headers and digests of contents (`flatten::BatchKey`), so that it is found without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkKey {
    /// BLAKE3 of the plain bytes, or a batch's key. It never leaves the factory, so it need not be SHA-256.
    pub digest: [u8; 32],
    /// Codec and level.
    pub codec: Codec,
}

impl ChunkKey {
    /// The key of these plain bytes.
    pub fn of(plain: &[u8], codec: Codec) -> ChunkKey {
        ChunkKey { digest: *blake3::hash(plain).as_bytes(), codec }
    }

    /// 34 bytes for a database key: the digest, then the codec's two (`Codec::to_bytes`). Never changes.
    pub fn to_bytes(&self) -> [u8; 34] {
        let mut bytes = [0; 34];
        let (digest, codec) = bytes.split_at_mut(32);
        digest.copy_from_slice(&self.digest);
        codec.copy_from_slice(&self.codec.to_bytes());
        bytes
    }

    /// The reverse of `to_bytes`; `None` if these are not the bytes of a key.
    pub fn from_bytes(bytes: &[u8]) -> Option<ChunkKey> {
        let (digest, codec) = bytes.split_at_checked(32)?;
        Some(ChunkKey { digest: digest.try_into().ok()?, codec: Codec::from_bytes(codec.try_into().ok()?)? })
    }
}

/// A chunk of the store: its row and where its compressed bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// The chunk's id in the index; recipes are lists of these.
    pub chunk: i64,
    /// The pack that holds it.
    pub pack: PackId,
    /// Where it begins in the pack, in bytes.
    pub offset: u64,
    /// Compressed length in bytes.
    pub length: u32,
    /// Plain length in bytes.
    pub plain: u32,
    /// Whether it was read back and a proof of it is kept.
    pub proven: bool,
}

/// The one seam between the store and the database that indexes it.
pub trait ChunkIndex: Send + Sync {
    /// For each key, in order, where its chunk lies, if it is known. Blocking.
    ///
    /// "Known" must mean held: the implementation takes a lease on the packs it names in the same statement,
    /// long enough for the import to end, or a sweep could take the bytes away before they are read.
    ///
    /// # Errors
    /// Whatever keeps the index from answering; it ends the import as `store.index`, worth another try.
    fn find(&self, keys: &[ChunkKey]) -> anyhow::Result<Vec<Option<Located>>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_bytes_and_tells_codecs_apart() {
        let zstd = ChunkKey::of(b"plain", Codec::default());
        let gzip = ChunkKey::of(b"plain", Codec::Gzip { level: 6 });
        assert_ne!(zstd, gzip);
        for key in [zstd, gzip] {
            assert_eq!(ChunkKey::from_bytes(&key.to_bytes()), Some(key));
        }
        assert_eq!(ChunkKey::from_bytes(&[0; 34]), None);
        assert_eq!(ChunkKey::from_bytes(&zstd.to_bytes()[..33]), None);
        assert_eq!(ChunkKey::from_bytes(&[]), None);
    }
}
