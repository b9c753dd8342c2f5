//! What an entry is called, by its header and by what stands before it.

use super::LayerError;
use super::header::{Dialect, Header, number};
use super::pax::Pax;

/// Extension headers that may stand before one entry; three are all that is ever needed.
const MANY: usize = 64;

/// What stands before a header and belongs to it.
#[derive(Default)]
pub(super) struct Before {
    headers: usize,
    bytes: u64,
    pub(super) pax: Pax,
    pub(super) long_name: Option<Vec<u8>>,
    pub(super) long_link: Option<Vec<u8>>,
}

impl Before {
    /// Counts an extension header: together they are held in memory, so together they are bounded.
    pub(super) fn one_more(&mut self, bytes: u64, most: u64) -> Result<(), LayerError> {
        self.headers += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.headers > MANY || self.bytes > most {
            return Err(LayerError::new(
                "tar.pax_malformed",
                "The extension headers of an entry are too many or too large.",
            ));
        }
        Ok(())
    }

    /// Is an entry to follow?
    pub(super) fn any(&self) -> bool {
        self.headers > 0
    }
}

/// GNU long names end with a NUL.
pub(super) fn c_text(mut data: Vec<u8>) -> Vec<u8> {
    if let Some(end) = data.iter().position(|b| *b == 0) {
        data.truncate(end);
    }
    data
}

pub(super) fn name(header: &Header, before: &Before) -> Result<Vec<u8>, LayerError> {
    let ambiguous = |said| Err(LayerError::new("tar.ambiguous_name", said));
    if before.pax.get("path").is_some() && before.long_name.is_some() {
        return ambiguous("An entry has both a PAX path and a GNU long name.");
    }
    if before.pax.get("linkpath").is_some() && before.long_link.is_some() {
        return ambiguous("An entry has both a PAX linkpath and a GNU long link.");
    }
    // GNU keeps two times where ustar keeps the prefix; anything but numbers there is a name to some readers.
    let times = [header.field(345, 12), header.field(357, 12)];
    if header.dialect == Dialect::Gnu && times.iter().any(|field| number(field).is_none()) {
        return ambiguous("An entry has a ustar prefix in a GNU header.");
    }
    if let Some(path) = before.pax.get("path") {
        return Ok(path.to_vec());
    }
    if let Some(name) = &before.long_name {
        return Ok(name.clone());
    }
    let name = header.text(0, 100);
    let prefix = if header.dialect == Dialect::Ustar { header.text(345, 155) } else { b"" };
    Ok(if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() })
}

pub(super) fn link(header: &Header, before: &Before) -> Vec<u8> {
    match (before.pax.get("linkpath"), &before.long_link) {
        (Some(path), _) => path.to_vec(),
        (None, Some(link)) => link.clone(),
        (None, None) => header.text(157, 100).to_vec(),
    }
}

/// Bits of major and minor numbers that Linux has; more would be cut, and be another device.
const MAJOR: u32 = (1 << 12) - 1;
const MINOR: u32 = (1 << 20) - 1;

/// Major and minor number of a device.
pub(super) fn device(header: &Header) -> Result<(u32, u32), LayerError> {
    let number = |from, most| {
        let number = header.number(from, 8).and_then(|n| u32::try_from(n).ok());
        number.filter(|n| *n <= most).ok_or_else(|| {
            LayerError::new("tar.device", "A device's number is none, or larger than Linux has them.")
        })
    };
    Ok((number(329, MAJOR)?, number(337, MINOR)?))
}
