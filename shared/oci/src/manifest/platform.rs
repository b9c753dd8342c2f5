//! Platforms: what an image runs on, and which of several fits.
//!
//! Names are Go's (`linux/amd64`, `linux/arm/v7`), as the image specification says. Variants of one architecture
//! are levels: a higher one runs what was built for a lower.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::printable;

/// An operating system and an architecture, in one spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    /// `linux`, `windows`.
    pub os: String,
    /// `amd64`, `arm64`, `arm`.
    pub architecture: String,
    /// `v7`; absent where it is the architecture's default.
    pub variant: Option<String>,
}

impl Platform {
    /// A platform from its parts, other spellings (`x86_64`, `aarch64`) made one, default variants left out.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let lower = |text: &str| printable(&text.to_ascii_lowercase(), 64);
        let mut variant = variant.map(lower).filter(|v| !v.is_empty());
        let architecture = match lower(architecture).as_str() {
            "x86_64" | "x86-64" => "amd64".to_owned(),
            "i386" | "i486" | "i686" | "x86" => "386".to_owned(),
            "aarch64" => "arm64".to_owned(),
            name @ ("armhf" | "armel") => {
                variant = variant.or(Some(if name == "armhf" { "v7".into() } else { "v6".into() }));
                "arm".to_owned()
            }
            other => other.to_owned(),
        };
        if let Some(text) = &variant
            && text.bytes().all(|b| b.is_ascii_digit())
        {
            variant = Some(format!("v{text}"));
        }
        let variant = variant.filter(|v| default_variant(&architecture) != Some(v.as_str()));
        Self { os: lower(os), architecture, variant }
    }

    /// The platform this program was built for, with Linux as the system: images for others cannot run here.
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, None)
    }

    /// Whether nothing is known: some tools leave both fields empty.
    pub fn is_unknown(&self) -> bool {
        self.os.is_empty() && self.architecture.is_empty()
    }

    /// How well an image for `offered` serves this platform: 0 is exact, more is worse, `None` not at all.
    pub fn rank(&self, offered: &Self) -> Option<u32> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        if self.variant == offered.variant {
            return Some(0);
        }
        self.level()?.checked_sub(offered.level()?)
    }

    fn level(&self) -> Option<u32> {
        let variant = self.variant.as_deref().or(default_variant(&self.architecture))?;
        variant.strip_prefix('v')?.parse().ok()
    }
}

/// The variant that is meant where none is written.
fn default_variant(architecture: &str) -> Option<&'static str> {
    match architecture {
        "amd64" => Some("v1"),
        "arm64" => Some("v8"),
        "arm" => Some("v7"),
        _ => None,
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

impl TryFrom<String> for Platform {
    type Error = PlatformError;

    fn try_from(text: String) -> Result<Self, PlatformError> {
        text.parse()
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let refuse = || PlatformError { text: printable(text, 60) };
        let named = |part: &str| {
            !part.is_empty()
                && part.len() <= 32
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().all(|part| named(part)) {
            return Err(refuse());
        }
        match parts.as_slice() {
            [os, architecture] => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(refuse()),
        }
    }
}

/// Text that names no platform. Code `platform.invalid`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{text}” is not a platform; write os/architecture, such as linux/amd64 or linux/arm/v7")]
pub struct PlatformError {
    text: String,
}

impl PlatformError {
    /// The stable code, `platform.invalid`.
    pub fn code(&self) -> &'static str {
        "platform.invalid"
    }

    /// Always true.
    pub fn is_permanent(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_become_one() {
        for (text, one) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm64/8", "linux/arm64"),
            ("linux/arm/v7", "linux/arm"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/i386", "linux/386"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), one);
        }
        for text in ["", "linux", "linux/", "a/b/c/d", "linux/\n", "linux/a b"] {
            assert_eq!(text.parse::<Platform>().unwrap_err().code(), "platform.invalid");
        }
    }

    #[test]
    fn a_higher_variant_runs_a_lower_and_never_the_other_way() {
        let rank =
            |wanted: &str, offered: &str| wanted.parse::<Platform>().unwrap().rank(&offered.parse().unwrap());
        assert_eq!(rank("linux/amd64", "linux/amd64"), Some(0));
        assert_eq!(rank("linux/arm64", "linux/arm64/v8"), Some(0));
        assert_eq!(rank("linux/arm", "linux/arm/v7"), Some(0));
        assert_eq!(rank("linux/arm", "linux/arm/v6"), Some(1));
        assert_eq!(rank("linux/arm/v6", "linux/arm/v7"), None);
        assert_eq!(rank("linux/amd64/v3", "linux/amd64"), Some(2));
        assert_eq!(rank("linux/amd64", "linux/amd64/v3"), None);
        assert_eq!(rank("linux/amd64", "windows/amd64"), None);
        assert_eq!(rank("linux/amd64", "linux/arm64"), None);
    }
}
