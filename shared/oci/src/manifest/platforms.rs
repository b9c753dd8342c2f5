//! Which platforms of an image are wanted.

use std::fmt;
use std::str::FromStr;

use super::{Platform, PlatformError};

/// Which platforms of an image are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platforms {
    /// All there are.
    All,
    /// Each of these; never empty.
    These(Vec<Platform>),
}

impl FromStr for Platforms {
    type Err = PlatformError;

    /// Reads what a user wrote: `all`, or platforms separated by commas. Each counts once.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        if text.split(',').any(|one| one.trim() == "all") {
            return Ok(Self::All);
        }
        let mut these: Vec<Platform> = Vec::new();
        for one in text.split(',') {
            let platform = one.trim().parse()?;
            if !these.contains(&platform) {
                these.push(platform);
            }
        }
        Ok(Self::These(these))
    }
}

impl fmt::Display for Platforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all platforms"),
            Self::These(these) => {
                let names: Vec<String> = these.iter().map(Platform::to_string).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_read() {
        let read = |text: &str| text.parse::<Platforms>().map(|p| p.to_string()).map_err(|e| e.code());
        assert_eq!(read("all").unwrap(), "all platforms");
        assert_eq!(read("linux/amd64, all").unwrap(), "all platforms");
        assert_eq!(read("linux/amd64").unwrap(), "linux/amd64");
        assert_eq!(read("linux/amd64, linux/arm/v6,linux/x86_64").unwrap(), "linux/amd64, linux/arm/v6");
        for text in ["", "linux", "linux/amd64,,"] {
            assert_eq!(read(text), Err("platform.invalid"), "{text}");
        }
    }
}
