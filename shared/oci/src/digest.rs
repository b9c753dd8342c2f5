//! Digests (OCI image specification, "Digests"): sha256 and sha512, lower-case hex, nothing else.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha512};

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: `sha256:` or `sha512:` and lower-case hex digits are expected.")]
pub struct DigestInvalid(pub String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Algorithm {
    Sha256,
    Sha512,
}

/// A digest that is well formed. It can stand in a path or URL as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    text: String,
}

impl Digest {
    /// The SHA-256 of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::sha256(&Sha256::digest(bytes).into())
    }

    /// A SHA-256 that was computed.
    pub fn sha256(bytes: &[u8; 32]) -> Self {
        Self { algorithm: Algorithm::Sha256, text: format!("sha256:{}", hex::encode(bytes)) }
    }

    /// `sha256:<hex>`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The hex digits alone.
    pub fn hex(&self) -> &str {
        self.text.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The algorithm's name: `sha256`.
    pub fn algorithm(&self) -> &str {
        self.text.split_once(':').map_or("", |(name, _)| name)
    }

    /// Begins to check bytes against this digest.
    pub fn verifier(&self) -> Verifier {
        let hash = match self.algorithm {
            Algorithm::Sha256 => Hash::Sha256(Sha256::new()),
            Algorithm::Sha512 => Hash::Sha512(Sha512::new()),
        };
        Verifier { expected: self.clone(), hash }
    }

    /// Are these the bytes?
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let mut verifier = self.verifier();
        verifier.update(bytes);
        verifier.finish().is_ok()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Digest {
    type Err = DigestInvalid;

    fn from_str(text: &str) -> Result<Self, DigestInvalid> {
        let wrong = || DigestInvalid(text.chars().take(140).collect());
        let (name, hex) = text.split_once(':').ok_or_else(wrong)?;
        let (algorithm, length) = match name {
            "sha256" => (Algorithm::Sha256, 64),
            "sha512" => (Algorithm::Sha512, 128),
            _ => return Err(wrong()),
        };
        // Strict, since digests become paths (CVE-2024-3727).
        if hex.len() != length || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(wrong());
        }
        Ok(Self { algorithm, text: text.to_owned() })
    }
}

#[derive(Debug, Clone)]
enum Hash {
    Sha256(Sha256),
    Sha512(Sha512),
}

/// Checks bytes as they pass.
#[derive(Debug, Clone)]
pub struct Verifier {
    expected: Digest,
    hash: Hash,
}

impl Verifier {
    /// More bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.hash {
            Hash::Sha256(hash) => hash.update(bytes),
            Hash::Sha512(hash) => hash.update(bytes),
        }
    }

    /// Were those the bytes?
    ///
    /// # Errors
    /// The digest they have instead.
    pub fn finish(self) -> Result<(), String> {
        let text = match self.hash {
            Hash::Sha256(hash) => format!("sha256:{}", hex::encode(hash.finalize())),
            Hash::Sha512(hash) => format!("sha512:{}", hex::encode(hash.finalize())),
        };
        if text == self.expected.text { Ok(()) } else { Err(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_digests_are_read() {
        let good = Digest::of(b"");
        assert_eq!(good.as_str(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(good.as_str().parse(), Ok(good.clone()));
        assert!(format!("sha512:{}", "a".repeat(128)).parse::<Digest>().is_ok());
        let hex = "a".repeat(64);
        for text in [
            "",
            "sha256",
            "sha256:",
            "sha256:../../x",
            &format!("sha256:{}", "A".repeat(64)),
            &format!("sha1:{hex}"),
            &format!("md5:{hex}"),
            &format!("sha256:{}", "a".repeat(63)),
            &format!("sha256:{hex} "),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_are_checked() {
        let digest = Digest::of(b"hello");
        assert!(digest.matches(b"hello"));
        assert!(!digest.matches(b"hellO"));
    }
}
