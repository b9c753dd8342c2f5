//! Read buffers that come back when the bytes were sent: zeroed and faulted in once, not for every piece.

use bytes::Bytes;
use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

/// Bytes of a buffer: large enough that the system call is nothing beside the copy, small enough for a cache.
pub(crate) const SIZE: usize = 512 << 10;

/// Buffers kept at most, 32 MiB of them.
const KEEP: usize = 64;

/// What is not worth a pooled buffer.
const SMALL: usize = 64 << 10;

#[derive(Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// A buffer of `length` bytes, at most `SIZE`, of any content.
    pub(crate) fn take(&self, length: usize) -> Buffer {
        if length < SMALL {
            return Buffer { bytes: vec![0; length], length, home: None };
        }
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = idle.unwrap_or_else(|| vec![0; SIZE]);
        Buffer { bytes, length: length.min(SIZE), home: Some(self.clone()) }
    }
}

/// A buffer that returns to its pool when the last view of its bytes is dropped.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
    home: Option<Buffers>,
}

impl Buffer {
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }

    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            let mut idle = home.0.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < KEEP {
                idle.push(mem::take(&mut self.bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_only_when_no_view_is_left() {
        let buffers = Buffers::default();
        let first = buffers.take(SIZE).freeze();
        let address = first.as_ptr();
        let view = first.slice(5..10);
        drop(first);
        let other = buffers.take(SIZE).freeze();
        assert_ne!(other.as_ptr(), address);
        drop(view);
        let mut again = buffers.take(SMALL);
        assert_eq!((again.bytes_mut().as_ptr(), again.as_ref().len()), (address, SMALL));
    }
}
