//! Why a layer is refused.

use std::io;

use crate::path::show;

/// Why a layer is refused, and where in it.
#[derive(Debug, thiserror::Error)]
pub struct LayerError {
    code: &'static str,
    sentence: String,
    place: Option<(u64, Vec<u8>)>,
    #[source]
    cause: Option<io::Error>,
}

impl std::fmt::Display for LayerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence)?;
        match &self.place {
            Some((entry, path)) if path.is_empty() => write!(f, " (entry {entry})"),
            Some((entry, path)) => write!(f, " (entry {entry}, `{}`)", show(path)),
            None => Ok(()),
        }
    }
}

impl LayerError {
    /// A refusal with a stable code and one sentence.
    pub fn new(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), place: None, cause: None }
    }

    /// The bytes could not be had at all: the cause tells why.
    pub fn input(cause: io::Error) -> Self {
        Self { cause: Some(cause), ..Self::new("layer.input", "The layer's bytes could not be read.") }
    }

    pub(crate) fn caused(code: &'static str, sentence: &str, cause: io::Error) -> Self {
        Self { cause: Some(cause), ..Self::new(code, sentence) }
    }

    /// Says which entry it was, counted from 0; the first to say so is right.
    #[must_use]
    pub fn at(mut self, entry: u64, path: &[u8]) -> Self {
        if self.place.is_none() && self.cause.is_none() {
            self.place = Some((entry, path.to_vec()));
        }
        self
    }

    /// The entry at fault, counted from 0, if it is one entry's.
    pub fn entry(&self) -> Option<u64> {
        self.place.as_ref().map(|(entry, _)| *entry)
    }

    /// A stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What came from the source of the bytes (a registry's error), if that is what failed.
    pub fn input_error(&self) -> Option<&io::Error> {
        self.cause.as_ref().filter(|_| self.code == "layer.input")
    }

    /// Would trying again do nothing else? Only the source of the bytes may do better.
    pub fn is_permanent(&self) -> bool {
        self.input_error().is_none()
    }
}
