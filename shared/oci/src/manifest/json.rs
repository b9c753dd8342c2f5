//! JSON read strictly: bounded, UTF-8 without a mark, no key twice, no deep nesting.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{MOST_BYTES, ManifestError};

/// Reads a document. serde_json itself bounds the depth, at 128.
pub(crate) fn strict<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, ManifestError> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(ManifestError::Invalid(format!("the {what} is larger than {MOST_BYTES} bytes")));
    }
    let wrong =
        |e: serde_json::Error| ManifestError::Invalid(format!("the {what} is not the JSON it must be: {e}"));
    serde_json::from_slice::<Strict>(bytes).map_err(wrong)?;
    serde_json::from_slice(bytes).map_err(wrong)
}

/// Any JSON in which no object has a key twice: two readers could take two different ones.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        while items.next_element::<Strict>()?.is_some() {}
        Ok(Strict)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            entries.next_value::<Strict>()?;
            if seen.contains(&key) {
                return Err(A::Error::custom(format!("the key `{key}` stands there twice")));
            }
            seen.insert(key);
        }
        Ok(Strict)
    }
}
