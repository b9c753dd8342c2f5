//! Names and identifiers, whatever they are of.

use model::source::{is_identifier, slug};

use crate::answer::Refusal;

/// Can this be a name?
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        return Err(Refusal::invalid("name", "A name has 1 to 200 bytes and no control characters."));
    }
    Ok(())
}

/// The identifier that is given, or one made from the name.
pub(super) fn identifier(given: Option<String>, name: &str) -> Result<String, Refusal> {
    let identifier = given.unwrap_or_else(|| slug(name));
    if is_identifier(&identifier) {
        return Ok(identifier);
    }
    let rule = "An identifier has 2 to 63 of a-z, 0-9 and single dashes, and begins and ends with a letter or digit.";
    Err(Refusal::invalid("identifier", rule))
}
