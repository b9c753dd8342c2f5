//! A layer's bytes, to be read on after their reader has given up.
//!
//! Whoever holds bytes to a digest knows only at their end whether they were the right ones. A reader that stops at
//! nonsense in the middle would say that an archive is damaged when it was replaced on its way.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oci::layer::LayerError;

/// How much is read on, in bytes, and for how long: a refusal is not worth a long download.
const MOST: u64 = 64 << 20;
const LONGEST: Duration = Duration::from_secs(10);

/// A reader that two hold.
pub(crate) struct Shared<R>(Arc<Mutex<R>>);

impl<R> Clone for Shared<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: Read> Shared<R> {
    pub(crate) fn new(input: R) -> Self {
        Self(Arc::new(Mutex::new(input)))
    }

    /// Reads on to the end: what the source itself says against the bytes, if it does.
    pub(crate) fn verdict(mut self) -> Option<LayerError> {
        let (began, mut seen, mut waste) = (Instant::now(), 0, vec![0; 64 << 10]);
        while seen < MOST && began.elapsed() < LONGEST {
            match self.read(&mut waste) {
                Ok(0) => return None,
                Ok(read) => seen += read as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(LayerError::input(error)),
            }
        }
        None
    }
}

impl<R: Read> Read for Shared<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // A reader that panicked has ended its thread, and with it the import.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(into)
    }
}
