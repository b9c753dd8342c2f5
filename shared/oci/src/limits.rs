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
    /// Pieces of one sparse file.
    pub sparse: usize,
    /// The base-2 logarithm of a zstd window: 26 is 64 MiB.
    pub zstd_window: u32,
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
            sparse: 100_000,
            zstd_window: 26,
        }
    }
}

/// What an image has used of its limits so far; shared by the readers of its layers.
#[derive(Debug, Clone)]
pub struct Budget {
    limits: Arc<Limits>,
    used: Arc<(AtomicU64, AtomicU64)>,
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

    /// Uses bytes; false when there are not so many left.
    pub(crate) fn bytes(&self, more: u64) -> bool {
        let before = self.used.0.fetch_add(more.min(u64::MAX >> 2), Ordering::Relaxed);
        before.saturating_add(more) <= self.limits.bytes
    }

    /// Would so many bytes be too many?
    pub(crate) fn has(&self, more: u64) -> bool {
        self.used.0.load(Ordering::Relaxed).saturating_add(more) <= self.limits.bytes
    }

    /// Uses one entry; false when there is none left.
    pub(crate) fn entry(&self) -> bool {
        self.used.1.fetch_add(1, Ordering::Relaxed) < self.limits.entries
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}
