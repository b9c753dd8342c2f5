//! Sealing secrets at rest, field by field.
//!
//! XChaCha20-Poly1305 with a random nonce. Hub, source, field and key id are the associated data, so a sealed value
//! moved to another row or field does not open. The key comes from the operator, never from the database.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use model::Secret;
use sha2::{Digest, Sha256};

use crate::{Config, key};

/// Where a secret belongs. It opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The hub's id.
    pub hub: &'a str,
    /// The id of the source, or whatever owns the secret.
    pub owner: &'a str,
    /// The name of the field.
    pub field: &'a str,
}

/// Seals and opens secrets.
#[derive(Clone)]
pub struct Sealer {
    cipher: Arc<XChaCha20Poly1305>,
    key_id: String,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.key_id)
    }
}

impl Sealer {
    /// An integration's builder with its secret put back.
    ///
    /// # Errors
    /// When the secret does not open.
    pub fn open_builder(
        &self,
        hub: &model::HubId,
        integration: &model::api::Integration,
        sealed: &std::collections::BTreeMap<String, String>,
    ) -> Result<model::api::ImageBuilder> {
        let mut builder = integration.builder.clone();
        for (field, sealed) in sealed {
            let place = Place { hub: hub.as_str(), owner: integration.id.as_str(), field };
            builder.put_secret(self.open_sealed(place, sealed)?);
        }
        Ok(builder)
    }

    /// Takes the key from the settings, or from `secret.key` in the data directory, made there on the first run.
    ///
    /// # Errors
    /// When the key is not 64 hex digits, or its file can be neither read nor made.
    pub fn open(config: &Config) -> Result<Self> {
        let text = match (&config.secret_key, &config.secret_key_file) {
            (Some(key), _) => key.clone(),
            (None, Some(file)) => std::fs::read_to_string(file)
                .with_context(|| format!("the key file {} cannot be read", file.display()))?,
            (None, None) => own_key(&config.data_dir)?,
        };
        let bytes: [u8; 32] = hex::decode(text.trim())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .context("the sealing key is not 64 hex digits")?;
        let key_id = hex::encode(Sha256::digest(bytes)).chars().take(8).collect();
        Ok(Self { cipher: Arc::new(XChaCha20Poly1305::new(&bytes.into())), key_id })
    }

    /// Seals a secret: `v1.<key id>.<base64 of nonce and ciphertext>`.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn seal(&self, place: Place<'_>, secret: &Secret) -> Result<String> {
        let nonce = XNonce::from(key::random::<24>()?);
        let aad = self.associated(place);
        let sealed = self
            .cipher
            .encrypt(&nonce, Payload { msg: secret.expose().as_bytes(), aad: aad.as_bytes() })
            .map_err(|_| anyhow::anyhow!("the secret could not be sealed"))?;
        let body = STANDARD_NO_PAD.encode([nonce.as_slice(), &sealed].concat());
        Ok(format!("v1.{}.{body}", self.key_id))
    }

    /// Opens a sealed secret at its place.
    ///
    /// # Errors
    /// When it was sealed with another key, for another place, or was changed.
    pub fn open_sealed(&self, place: Place<'_>, sealed: &str) -> Result<Secret> {
        let (key_id, body) = sealed
            .strip_prefix("v1.")
            .and_then(|rest| rest.split_once('.'))
            .context("a sealed secret has an unknown form")?;
        if key_id != self.key_id {
            bail!("a secret was sealed with key {key_id}, but this process has key {}", self.key_id);
        }
        let bytes = STANDARD_NO_PAD.decode(body).context("a sealed secret is damaged")?;
        let (nonce, sealed) = bytes.split_at_checked(24).context("a sealed secret is too short")?;
        let nonce = XNonce::try_from(nonce).context("a sealed secret is too short")?;
        let aad = self.associated(place);
        let plain = self
            .cipher
            .decrypt(&nonce, Payload { msg: sealed, aad: aad.as_bytes() })
            .map_err(|_| anyhow::anyhow!("a sealed secret does not open at this place"))?;
        Ok(Secret::new(String::from_utf8(plain).context("a sealed secret is not text")?))
    }

    fn associated(&self, place: Place<'_>) -> String {
        // A unit separator cannot stand in any of these, so two places never read the same.
        [place.hub, place.owner, place.field, &self.key_id].join("\u{1f}")
    }
}

fn own_key(data_dir: &Path) -> Result<String> {
    let path = data_dir.join("secret.key");
    if let Ok(text) = std::fs::read_to_string(&path) {
        return Ok(text);
    }
    std::fs::create_dir_all(data_dir).with_context(|| format!("{} cannot be made", data_dir.display()))?;
    let text = hex::encode(key::random::<32>()?);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            Ok(text)
        }
        // Another service of the same data directory was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Ok(std::fs::read_to_string(&path)?)
        }
        Err(error) => {
            Err(error).with_context(|| format!("the sealing key {} cannot be made", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        let bytes = [byte; 32];
        Sealer { cipher: Arc::new(XChaCha20Poly1305::new(&bytes.into())), key_id: format!("{byte:08x}") }
    }

    #[test]
    fn a_secret_opens_only_at_its_place() {
        let sealer = sealer(1);
        let here = Place { hub: "h", owner: "s", field: "token" };
        let sealed = sealer.seal(here, &Secret::new("hunter2")).unwrap();
        assert!(!sealed.contains("hunter2"));
        assert_eq!(sealer.open_sealed(here, &sealed).unwrap().expose(), "hunter2");
        for other in
            [Place { hub: "x", ..here }, Place { owner: "x", ..here }, Place { field: "password", ..here }]
        {
            assert!(sealer.open_sealed(other, &sealed).is_err());
        }
    }

    #[test]
    fn a_changed_secret_or_another_key_does_not_open() {
        let here = Place { hub: "h", owner: "s", field: "token" };
        let sealed = sealer(1).seal(here, &Secret::new("hunter2")).unwrap();
        assert!(sealer(2).open_sealed(here, &sealed).is_err());
        for broken in
            ["", "v1.", "v1.01010101.", "v2.a.b", &sealed[..sealed.len() - 4], &format!("{sealed}AAAA")]
        {
            assert!(sealer(1).open_sealed(here, broken).is_err(), "{broken}");
        }
    }
}
