//! Buffers within a byte budget: what bounds a writer's memory and makes its caller wait for the slower threads.

use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// Requests are rounded up to this, so that buffers fit the next chunk too.
const STEP: usize = 64 << 10;

/// Hands out buffers that together, kept for reuse or in use, never exceed the limit.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Shared>);

struct Shared {
    limit: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    used: usize,
    idle: Vec<Vec<u8>>,
    idle_bytes: usize,
    peak: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Budget {
        Budget(Arc::new(Shared { limit, state: Mutex::default(), freed: Condvar::new() }))
    }

    pub(crate) fn limit(&self) -> usize {
        self.0.limit
    }

    /// The most bytes that were in use or kept at once.
    pub(crate) fn peak(&self) -> usize {
        self.0.lock().peak
    }

    /// An empty buffer for at least `size` bytes, or `None` if it does not fit now.
    pub(crate) fn try_take(&self, size: usize) -> Option<Buf> {
        self.0.lock().grant(self, size)
    }

    /// The same, waiting for others to give theirs back. Those others must be able to end without this caller.
    pub(crate) fn take(&self, size: usize) -> Buf {
        let mut state = self.0.lock();
        loop {
            if let Some(buf) = state.grant(self, size) {
                return buf;
            }
            state = self.0.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn grant(&mut self, budget: &Budget, size: usize) -> Option<Buf> {
        let limit = budget.0.limit;
        // A request above the limit would wait for ever; it is granted alone instead.
        let size = size.max(1).next_multiple_of(STEP).min(limit);
        if self.used + size > limit {
            return None;
        }
        // Half as much again at most, or small chunks would sit in large buffers and starve the rest.
        let fits = |buffer: &Vec<u8>| (size..=size + size / 2).contains(&buffer.capacity());
        let bytes = match self.idle.iter().position(fits) {
            Some(at) => {
                let bytes = self.idle.swap_remove(at);
                self.idle_bytes -= bytes.capacity();
                bytes
            }
            None => {
                while self.used + self.idle_bytes + size > limit
                    && let Some(bytes) = self.idle.pop()
                {
                    self.idle_bytes -= bytes.capacity();
                }
                Vec::with_capacity(size)
            }
        };
        let granted = bytes.capacity();
        self.used += granted;
        self.peak = self.peak.max(self.used + self.idle_bytes);
        Some(Buf { bytes, granted, budget: budget.clone() })
    }
}

/// A buffer of the budget; dropping it gives it back.
pub(crate) struct Buf {
    bytes: Vec<u8>,
    granted: usize,
    budget: Budget,
}

impl Buf {
    /// What this buffer takes of the budget.
    pub(crate) fn granted(&self) -> usize {
        self.granted
    }
}

impl Deref for Buf {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buf {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        let mut bytes = mem::take(&mut self.bytes);
        bytes.clear();
        let mut state = self.budget.0.lock();
        state.used -= self.granted;
        if state.used + state.idle_bytes + bytes.capacity() <= self.budget.0.limit {
            state.idle_bytes += bytes.capacity();
            state.idle.push(bytes);
        }
        drop(state);
        self.budget.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread};

    #[test]
    fn the_limit_holds_and_buffers_come_back() {
        let budget = Budget::new(4 * STEP);
        let (a, b) = (budget.take(3 * STEP), budget.take(1));
        assert!(budget.try_take(1).is_none());
        drop(b);
        let again = budget.try_take(100).expect("room again");
        drop((a, again));
        assert_eq!(budget.0.lock().used, 0);
        // Kept buffers make way for a size they do not fit.
        assert_eq!(budget.take(4 * STEP).capacity(), 4 * STEP);
        assert_eq!(budget.peak(), 4 * STEP);
    }

    #[test]
    fn one_who_waits_is_woken() {
        let budget = Budget::new(STEP);
        let held = budget.take(1);
        let (tell, told) = mpsc::channel();
        let waiter = thread::spawn({
            let budget = budget.clone();
            move || tell.send(budget.take(STEP).granted())
        });
        assert!(told.try_recv().is_err(), "nothing to grant yet");
        drop(held);
        assert_eq!(told.recv().unwrap(), STEP);
        waiter.join().unwrap().unwrap();
    }
}
