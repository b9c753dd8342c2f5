//! Ids: 24 lower-case hex digits, sortable by the time they were made.
//!
//! The first twelve digits are milliseconds since 1970, the rest is random: the first six and last six bytes of a
//! UUIDv7 (RFC 9562 section 5.7).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not 24 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id is 24 lower-case hex digits")]
pub struct NotAnId;

fn fresh() -> String {
    let uuid = uuid::Uuid::now_v7();
    let (time, rest) = uuid.as_bytes().split_at(6);
    let (_, random) = rest.split_at(4);
    hex::encode([time, random].concat())
}

fn is_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// A fresh id.
            #[expect(clippy::new_without_default, reason = "a default that differs each time would surprise")]
            pub fn new() -> Self {
                Self(fresh())
            }

            /// An id that comes from a row of ours, which checked it when it was written.
            pub fn stored(text: String) -> Self {
                Self(text)
            }

            /// The id as sixteen bytes, the last four of them zero: for places that want a UUID's worth.
            pub fn to_bytes(&self) -> [u8; 16] {
                let mut bytes = [0; 16];
                // An id is 24 hex digits, so this cannot fail; a stored one that is not names nothing.
                let _ = hex::decode_to_slice(&self.0, &mut bytes[..12]);
                bytes
            }

            /// The id that these bytes were made from, if they were.
            pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
                bytes.ends_with(&[0; 4]).then(|| Self(hex::encode(&bytes[..12])))
            }

            /// The 24 digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> {
                if is_id(&text) { Ok(Self(text)) } else { Err(NotAnId) }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

id!(
    /// A hub: a tenant.
    HubId
);
id!(
    /// What a hub works with that is not Platen's own.
    IntegrationId
);
id!(
    /// An image source.
    SourceId
);
id!(
    /// An image: first a shell, then the one flat thing that is served.
    ImageId
);
id!(
    /// An API key (not the key itself).
    KeyId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_text() {
        let first = ImageId::new();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let second = ImageId::new();
        assert!(first < second);
        assert_eq!(first.as_str().parse::<ImageId>(), Ok(first.clone()));
        assert_eq!(ImageId::from_bytes(first.to_bytes()), Some(first.clone()));
        assert_eq!(ImageId::from_bytes([1; 16]), None);
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in
            ["", "123", "ABCDEFABCDEFABCDEFABCDEF", "zzzzzzzzzzzzzzzzzzzzzzzz", "0123456789abcdef012345678"]
        {
            assert_eq!(text.parse::<ImageId>(), Err(NotAnId), "{text}");
        }
    }
}
