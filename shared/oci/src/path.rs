//! Paths of a layer: bytes, normalised, never leading out.

use crate::layer::LayerError;
use crate::limits::Limits;

/// Normalises the name of an entry: no leading or doubled slashes, no `.`; `..` takes back what stands before it. The
/// empty path is the root.
///
/// # Errors
/// `path.escape` when it leads out or ends with `..`, `path.too_long` past a limit.
pub fn normal(raw: &[u8], limits: &Limits) -> Result<Vec<u8>, LayerError> {
    if raw.contains(&0) {
        return Err(LayerError::new("tar.pax_malformed", "A path holds a NUL byte."));
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut climbs = false;
    for part in components(raw) {
        climbs = part == b"..";
        if climbs {
            parts.pop().ok_or_else(escape)?;
        } else {
            if part.len() > limits.component {
                return Err(too_long());
            }
            parts.push(part);
        }
    }
    if climbs {
        return Err(escape());
    }
    let path = parts.join(&b'/');
    if path.len() > limits.path || parts.len() > limits.depth {
        return Err(too_long());
    }
    Ok(path)
}

/// The components of a path as it stands, `..` included, `.` and empty ones not.
pub fn components(raw: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    raw.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// What is shown of a path at most, in characters: it stands in rows, logs and answers.
const SHOWN: usize = 300;

/// A path as text for people: what is not printable UTF-8, or would turn or hide other text, is escaped; a long one is
/// cut.
pub fn show(path: &[u8]) -> String {
    let mut text = String::new();
    let mut room = SHOWN;
    for chunk in path.utf8_chunks() {
        let valid = chunk.valid().chars().map(|c| {
            if c.is_control() || moves_text(c) { c.escape_default().to_string() } else { c.to_string() }
        });
        let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        for piece in valid.chain(invalid) {
            let Some(left) = room.checked_sub(piece.chars().count()) else {
                text.push('…');
                return text;
            };
            room = left;
            text.push_str(&piece);
        }
    }
    text
}

/// Line and paragraph separators, zero-width characters, and what changes the direction of writing (Unicode TR 36).
fn moves_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn escape() -> LayerError {
    LayerError::new("path.escape", "A path leads out of the image.")
}

fn too_long() -> LayerError {
    LayerError::new("path.too_long", "A path is too long or too deep.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Result<String, &'static str> {
        normal(raw.as_bytes(), &Limits::default())
            .map(|p| String::from_utf8(p).unwrap())
            .map_err(|e| e.code())
    }

    #[test]
    fn paths_are_normalised() {
        for (raw, path) in [
            ("a", "a"),
            ("./a", "a"),
            ("//a", "a"),
            ("d/./c", "d/c"),
            ("d//b", "d/b"),
            ("/etc/x", "etc/x"),
            ("d/../e", "e"),
            ("./", ""),
            ("", ""),
            ("a/", "a"),
        ] {
            assert_eq!(read(raw), Ok(path.to_owned()), "{raw}");
        }
    }

    #[test]
    fn paths_that_lead_out_or_are_too_long_are_refused() {
        for raw in ["../x", "d/../../x", "/../x", "..", "localetc/sub/.."] {
            assert_eq!(read(raw), Err("path.escape"), "{raw}");
        }
        assert!(read(&"a".repeat(255)).is_ok());
        assert_eq!(read(&"a".repeat(256)), Err("path.too_long"));
        assert_eq!(read(&"a/".repeat(2500)), Err("path.too_long"));
        let long = format!("{}/{}", vec!["a".repeat(255); 15].join("/"), "a".repeat(255));
        assert!(read(&long).is_ok());
        assert_eq!(read(&format!("{long}/a")), Err("path.too_long"));
    }

    #[test]
    fn what_is_shown_is_harmless() {
        assert_eq!(show(b"a\x1b[31m\xff\n"), "a\\u{1b}[31m\\xff\\n");
        assert_eq!(show("a\u{202e}b".as_bytes()), "a\\u{202e}b");
        assert_eq!(show(&[b'a'; 300]).len(), 300);
        assert_eq!(show(&[0xff; 4095]).chars().count(), 301, "cut, and said so");
    }
}
