//! A bound on bytes in flight.

use std::sync::{Condvar, Mutex, PoisonError};

/// So many bytes may be in flight; whoever brings more waits.
#[derive(Debug)]
pub(crate) struct Budget {
    free: Mutex<usize>,
    whole: usize,
    freed: Condvar,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { free: Mutex::new(bytes), whole: bytes, freed: Condvar::new() }
    }

    /// Waits until there is room. More than the whole budget counts as the whole.
    pub(crate) fn take(&self, bytes: usize) {
        let bytes = bytes.min(self.whole);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free < bytes).unwrap_or_else(PoisonError::into_inner);
        *free -= bytes;
    }

    /// Makes room.
    pub(crate) fn give(&self, bytes: usize) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += bytes.min(self.whole);
        self.freed.notify_all();
    }
}
