//! Limits on what comes from outside. Compression ratio is no guard (gzip reaches 1,030 : 1, zstd 32,000 : 1): only
//! absolute caps are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Limits of an image. All sizes in bytes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Uncompressed bytes of all layers, declared sizes of sparse files included.
    pub bytes: u64,
    /// Entries of all layers.
    pub entries: u64,
    /// A whole path.
    pub path: usize,
    /// One component of a path.
    pub component: usize,
    /// Components of a path.
    pub depth: usize,
    /// The target of a link.
    pub link: usize,
    /// One PAX header, or one GNU long name.
    pub pax: u64,
    /// The value of one extended attribute.
    pub xattr: usize,
    /// Extended attributes of one entry.
    pub xattrs: usize,
    /// All extended attributes of one entry, as PAX records: with its names they must fit into one PAX header, of which
    /// many readers take no more than 1 MiB.
    pub xattr_bytes: usize,
    /// Pieces of one sparse file.
    pub sparse: usize,
    /// The base-2 logarithm of a zstd window: 26 is 64 MiB.
    pub zstd_window: u32,
    /// Paths, link targets and extended attributes of all entries, in memory: so much for an image ...
    pub text: u64,
    /// ... and so much more for each of its entries. Without it an entry could hold a PAX header of 1 MiB in memory.
    pub text_entry: u64,
}

/// The limits of a single entry that an operator may set, with their ranges: indexes count the bytes of a path in 16 bits.
const SETTINGS: [(&str, u64, u64); 10] = [
    ("path", 1, 60_000),
    ("component", 1, 60_000),
    ("depth", 1, 30_000),
    ("link", 1, 60_000),
    ("pax", 512, 64 << 20),
    ("xattr", 1, 16 << 20),
    ("xattrs", 1, 100_000),
    ("xattr-bytes", 1, 32 << 20),
    ("sparse", 1, 10_000_000),
    ("zstd-window", 10, 31),
];

impl Limits {
    /// For bytes that were held to an operator's limits when they were made: each is as large as [`Limits::set`] lets it
    /// be, and what an image holds in all does not count.
    pub fn stored() -> Self {
        // A quarter leaves room to add to without running over.
        let most = u64::MAX / 4;
        let mut limits = Self { bytes: most, entries: most, text: most, ..Self::default() };
        for (name, _, largest) in SETTINGS {
            // Each is within its own range.
            let _ = limits.set(name, largest);
        }
        limits
    }

    /// Sets one of the limits of a single entry by its name.
    ///
    /// # Errors
    /// One sentence, when there is no such limit or the value is out of its range.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), String> {
        let Some((_, least, largest)) = SETTINGS.into_iter().find(|(known, ..)| *known == name) else {
            let names: Vec<&str> = SETTINGS.iter().map(|(known, ..)| *known).collect();
            return Err(format!("there is no limit `{name}`; there are {}", names.join(", ")));
        };
        if !(least..=largest).contains(&value) {
            return Err(format!("the limit `{name}` is a number from {least} to {largest}"));
        }
        let number = usize::try_from(value).unwrap_or(usize::MAX);
        match name {
            "path" => self.path = number,
            "component" => self.component = number,
            "depth" => self.depth = number,
            "link" => self.link = number,
            "pax" => self.pax = value,
            "xattr" => self.xattr = number,
            "xattrs" => self.xattrs = number,
            "xattr-bytes" => self.xattr_bytes = number,
            "sparse" => self.sparse = number,
            _ => self.zstd_window = u32::try_from(value).unwrap_or(self.zstd_window),
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 20 << 30,
            entries: 2_000_000,
            path: 4095,
            component: 255,
            depth: 256,
            link: 4095,
            pax: 1 << 20,
            xattr: 64 << 10,
            xattrs: 1000,
            xattr_bytes: (1 << 20) - (16 << 10),
            sparse: 100_000,
            zstd_window: 26,
            text: 64 << 20,
            text_entry: 400,
        }
    }
}

/// What an image has used of its limits so far; shared by the readers of its layers.
#[derive(Debug, Clone)]
pub struct Budget {
    limits: Arc<Limits>,
    used: Arc<Used>,
}

#[derive(Debug, Default)]
struct Used {
    bytes: AtomicU64,
    entries: AtomicU64,
    text: AtomicU64,
}

impl Budget {
    /// Nothing used yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits: Arc::new(limits), used: Arc::default() }
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Uses what a layer takes that need not be read; false when there is not so much left.
    pub fn known(&self, entries: usize, bytes: u64) -> bool {
        add(&self.used.entries, entries as u64) <= self.limits.entries && self.bytes(bytes)
    }

    /// Uses bytes; false when there are not so many left.
    pub(crate) fn bytes(&self, more: u64) -> bool {
        add(&self.used.bytes, more) <= self.limits.bytes
    }

    /// Would so many bytes be too many?
    pub(crate) fn has(&self, more: u64) -> bool {
        self.used.bytes.load(Ordering::Relaxed).saturating_add(more) <= self.limits.bytes
    }

    /// Uses one entry; false when there is none left.
    pub(crate) fn entry(&self) -> bool {
        add(&self.used.entries, 1) <= self.limits.entries
    }

    /// Uses memory for names and attributes; false when there is not so much left.
    pub(crate) fn text(&self, more: u64) -> bool {
        let entries = self.used.entries.load(Ordering::Relaxed);
        let most = self.limits.text.saturating_add(entries.saturating_mul(self.limits.text_entry));
        add(&self.used.text, more) <= most
    }
}

/// Adds without running over: a hostile size must not begin again at 0. Answers the sum.
fn add(used: &AtomicU64, more: u64) -> u64 {
    let sum = |before: u64| Some(before.saturating_add(more));
    let before = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).unwrap_or_else(|before| before);
    before.saturating_add(more)
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_by_name_and_within_reason() {
        let mut limits = Limits::default();
        for (name, least, largest) in SETTINGS {
            assert!(limits.set(name, least).is_ok() && limits.set(name, largest).is_ok(), "{name}");
            assert!(limits.set(name, least - 1).is_err() && limits.set(name, largest + 1).is_err(), "{name}");
        }
        assert_eq!((limits.path, limits.zstd_window, limits.xattr_bytes), (60_000, 31, 32 << 20));
        assert!(limits.set("bytes", 1).unwrap_err().contains("there are path, component"));
        assert!(Limits::stored().path == 60_000 && Limits::stored().bytes > 1 << 60);
    }
}
