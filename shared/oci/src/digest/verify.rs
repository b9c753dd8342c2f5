//! Holding contents to their digest and size while they stream.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256, Sha512};

use super::{Algorithm, Digest};

/// Hashes bytes as they pass.
#[derive(Debug, Clone)]
pub struct Hasher(Inner);

#[derive(Debug, Clone)]
enum Inner {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// Starts with nothing hashed.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => Inner::Sha256(Sha256::new()),
            Algorithm::Sha512 => Inner::Sha512(Sha512::new()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Inner::Sha256(h) => h.update(bytes),
            Inner::Sha512(h) => h.update(bytes),
        }
    }

    /// The digest of everything taken.
    pub fn finish(self) -> Digest {
        match self.0 {
            Inner::Sha256(h) => Digest { algorithm: Algorithm::Sha256, hex: hex::encode(h.finalize()) },
            Inner::Sha512(h) => Digest { algorithm: Algorithm::Sha512, hex: hex::encode(h.finalize()) },
        }
    }
}

/// Content that is not what its descriptor says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The bytes hash to something else. Code `digest.mismatch`.
    #[error("content that should be {expected} is {found}: it was damaged or replaced on its way")]
    Digest {
        /// What the descriptor says.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// More or fewer bytes than the descriptor says. Code `descriptor.size`.
    #[error("{digest} should have {expected} bytes but has {found}")]
    Size {
        /// Whose content.
        digest: Digest,
        /// Bytes promised.
        expected: u64,
        /// `more` or a number of bytes.
        found: String,
    },
}

impl Mismatch {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Digest { .. } => "digest.mismatch",
            Self::Size { .. } => "descriptor.size",
        }
    }

    /// Always true: whoever serves wrong bytes under a digest will do so again.
    pub fn is_permanent(&self) -> bool {
        true
    }
}

/// Holds a stream of bytes to a digest and a size; knows as soon as one byte too many has come.
#[derive(Debug, Clone)]
pub struct Verifier {
    digest: Digest,
    size: u64,
    seen: u64,
    hasher: Hasher,
}

impl Verifier {
    /// Expects exactly `size` bytes that hash to `digest`.
    pub fn new(digest: Digest, size: u64) -> Self {
        let hasher = Hasher::new(digest.algorithm());
        Self { digest, size, seen: 0, hasher }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Mismatch::Size`] when they exceed the size.
    pub fn update(&mut self, bytes: &[u8]) -> Result<(), Mismatch> {
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        if self.seen > self.size {
            return Err(self.wrong_size("more".into()));
        }
        self.hasher.update(bytes);
        Ok(())
    }

    /// Bytes taken so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Bytes still to come.
    pub fn missing(&self) -> u64 {
        self.size.saturating_sub(self.seen)
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// [`Mismatch`] when bytes are missing or hash to something else.
    pub fn finish(self) -> Result<(), Mismatch> {
        if self.missing() > 0 {
            return Err(self.wrong_size(self.seen.to_string()));
        }
        let found = self.hasher.finish();
        if found == self.digest { Ok(()) } else { Err(Mismatch::Digest { expected: self.digest, found }) }
    }

    fn wrong_size(&self, found: String) -> Mismatch {
        Mismatch::Size { digest: self.digest.clone(), expected: self.size, found }
    }
}

/// A reader that gives its end only after the content proved to be what it should be.
///
/// The [`Mismatch`] arrives as the cause inside an [`io::Error`].
#[derive(Debug)]
pub struct VerifyingReader<R> {
    inner: R,
    verifier: Option<Verifier>,
}

impl<R: Read> VerifyingReader<R> {
    /// Holds `inner` to a digest and a size in bytes.
    pub fn new(inner: R, digest: Digest, size: u64) -> Self {
        Self { inner, verifier: Some(Verifier::new(digest, size)) }
    }
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let read = self.inner.read(buf)?;
        if read == 0 {
            if let Some(verifier) = self.verifier.take() {
                verifier.finish().map_err(io::Error::other)?;
            }
        } else if let Some(verifier) = &mut self.verifier {
            verifier.update(buf.get(..read).unwrap_or_default()).map_err(io::Error::other)?;
        }
        Ok(read)
    }
}
