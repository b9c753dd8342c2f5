//! The JSON of strangers, checked before anything is taken from it.
//!
//! RFC 8259 leaves open what a doubled key means, so readers differ: the registry that checked a document and the
//! tool that runs it may see two images. Doubled keys are refused, and so is what Go's case-insensitive decoder
//! would take for another spelling of a field that decides what a document is.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Deeper than any real document, and far from the end of a stack.
const MAX_DEPTH: usize = 64;

/// Fields that decide what a document is.
const DECIDING: [&str; 8] =
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "fsLayers", "rootfs", "artifactType"];

/// What a check found, in words that complete "the manifest is not valid: …".
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotStrict(pub String);

/// Checks that `bytes` are one JSON object that every reader reads alike.
///
/// # Errors
/// A few words about what is wrong.
pub(crate) fn check(bytes: &[u8], max: u64) -> Result<(), NotStrict> {
    let refuse = |why: &str| Err(NotStrict(why.to_owned()));
    if bytes.len() as u64 > max {
        return refuse(&format!("it is larger than {max} bytes"));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") || bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")
    {
        return refuse("it begins with a byte order mark");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return refuse("it is not UTF-8") };
    if text.trim_start().starts_with('<') {
        return refuse(
            "it is a web page, not JSON; something between here and the registry may ask for a login",
        );
    }
    let mut json = serde_json::Deserializer::from_str(text);
    Strict { depth: 0 }
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|e| NotStrict(crate::digest::printable(&e.to_string(), 200)))
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("it is nested more than {MAX_DEPTH} deep")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let misspelt = |name: &&str| *name != key && name.eq_ignore_ascii_case(&key);
            if self.depth == 0 && DECIDING.iter().any(misspelt) {
                map.next_value::<IgnoredAny>()?;
                return Err(A::Error::custom(format_args!(
                    "the key “{key}” differs from a known one only in case"
                )));
            }
            if keys.contains(&key) {
                return Err(A::Error::custom(format_args!("the key “{key}” stands there twice")));
            }
            keys.insert(key);
            map.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_json_passes() {
        for json in ["{}", " {\"a\":[1,-2,3.5,null,true,\"x\"],\"b\":{\"a\":{}}} \n", "[]"] {
            assert_eq!(check(json.as_bytes(), 100), Ok(()));
        }
    }

    #[test]
    fn what_readers_could_differ_on_is_refused() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let cases: [(&[u8], &str); 12] = [
            (br#"{"a":1,"a":2}"#, "twice"),
            (br#"{"x":{"a":1,"\u0061":2}}"#, "twice"),
            (br#"{"Layers":[]}"#, "only in case"),
            (deep.as_bytes(), "nested"),
            (br#"{"a":NaN}"#, "column"),
            (b"\xef\xbb\xbf{}", "byte order mark"),
            (&utf16, "byte order mark"),
            (b"{\"a\":\"\xff\"}", "UTF-8"),
            (b"<!DOCTYPE html><html>", "web page"),
            (b"{} {}", "trailing"),
            (b"", "EOF"),
            (br#"{"a":1"#, "EOF"),
        ];
        for (json, why) in cases {
            let NotStrict(found) = check(json, 1 << 20).unwrap_err();
            assert!(found.contains(why), "{found:?} should speak of {why:?}");
        }
    }

    #[test]
    fn the_size_is_bounded() {
        assert!(check(&[b' '; 101], 100).unwrap_err().0.contains("larger"));
    }
}
