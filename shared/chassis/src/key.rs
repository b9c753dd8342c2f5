//! API keys and other random secrets.
//!
//! A key is `platen_<64 hex digits>_<8 hex digits>`: 256 random bits and a checksum, so that a scanner can recognise
//! one and a mistyped one is refused without asking the database.

use anyhow::{Context as _, Result};
use sha2::{Digest, Sha256};

const PREFIX: &str = "platen_";

/// Random bytes from the operating system.
///
/// # Errors
/// When the operating system has none.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::from).context("the system gives no random bytes")?;
    Ok(bytes)
}

/// A fresh API key.
///
/// # Errors
/// When the operating system has no random bytes.
pub fn fresh() -> Result<String> {
    let body = hex::encode(random::<32>()?);
    let sum = checksum(&body);
    Ok(format!("{PREFIX}{body}_{sum}"))
}

/// Does this text look like a key of ours: prefix, length and checksum?
pub fn is_well_formed(key: &str) -> bool {
    let Some((body, sum)) = key.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')) else {
        return false;
    };
    body.len() == 64 && checksum(body) == sum
}

/// The part of a key that people recognise it by.
pub fn display_prefix(key: &str) -> String {
    key.chars().take(PREFIX.len() + 6).collect()
}

/// What is kept of a secret: its SHA-256. These secrets are random and long, so a slow hash would add nothing.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn checksum(body: &str) -> String {
    hex::encode(hash(body)).chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_knows_itself() {
        let key = fresh().unwrap();
        assert!(is_well_formed(&key), "{key}");
        assert!(!is_well_formed(&key.replace("platen_", "other_")));
        let mistyped: String = key.chars().rev().collect();
        assert!(!is_well_formed(&mistyped));
        assert!(!is_well_formed(""));
        assert!(!is_well_formed("platen__"));
    }
}
