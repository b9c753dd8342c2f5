//! What must not be read in a log.

use std::fmt;

/// Texts that are replaced wherever they appear.
#[derive(Clone, Default)]
pub(super) struct Masks(Vec<(String, &'static str)>);

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masks({})", self.0.len())
    }
}

impl Masks {
    /// Hides a secret.
    pub(super) fn hide(&mut self, secret: &str) {
        self.replace(secret, "***");
    }

    /// Shows something else in place of a text.
    pub(super) fn replace(&mut self, text: &str, shown: &'static str) {
        if !text.is_empty() {
            self.0.push((text.to_owned(), shown));
            // One secret may be a part of another.
            self.0.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        }
    }

    /// A line with its secrets hidden.
    pub(super) fn apply(&self, line: &str) -> String {
        self.0.iter().fold(line.to_owned(), |line, (text, shown)| line.replace(text, shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_first() {
        let mut masks = Masks::default();
        masks.hide("abc");
        masks.hide("");
        masks.hide("abcdef");
        masks.replace("/tmp/.x", "~");
        assert_eq!(masks.apply("abcdef abc /tmp/.x/key"), "*** *** ~/key");
    }
}
