//! Buffers within a byte budget: what bounds an intake's memory and makes its callers wait for the slower threads.

use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Requests are rounded up to this, so that buffers fit the next chunk too.
const STEP: usize = 64 << 10;

/// Hands out buffers that together, kept for reuse or in use, never exceed the limit.
#[derive(Clone)]
pub(super) struct Budget(Arc<Shared>);

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
    /// Somebody had to wait: nobody goes on before half is free again. Filling and compressing take turns then, each for a
    /// while, instead of taking each other's place in the processor's cache with every buffer.
    full: bool,
    closed: bool,
}

/// Nobody gives buffers out any more.
#[derive(Debug)]
pub(super) struct Closed;

impl Budget {
    pub(super) fn new(limit: usize) -> Budget {
        Budget(Arc::new(Shared { limit, state: Mutex::default(), freed: Condvar::new() }))
    }

    /// The most bytes that were in use or kept at once.
    pub(super) fn peak(&self) -> usize {
        self.0.lock().peak
    }

    /// The most bytes there are.
    pub(super) fn limit(&self) -> usize {
        self.0.limit
    }

    /// Ends every wait, and every later one.
    pub(super) fn close(&self) {
        self.0.lock().closed = true;
        self.0.freed.notify_all();
    }

    /// Two buffers of at least these sizes, with whatever was in them, both or none: whoever held one while waiting for the other would wait
    /// for ever when enough others do the same.
    pub(super) fn try_pair(&self, sizes: (usize, usize)) -> Result<Option<(Buf, Buf)>, Closed> {
        self.0.lock().pair(self, sizes)
    }

    /// One, waiting up to `patience` for others to give theirs back.
    pub(super) fn one(&self, size: usize, patience: Duration) -> Result<Option<Buf>, Closed> {
        let mut state = self.0.lock();
        if let Some(one) = state.turn(self, size)? {
            return Ok(Some(one));
        }
        state = self.0.freed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
        state.turn(self, size)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn turn(&mut self, budget: &Budget, size: usize) -> Result<Option<Buf>, Closed> {
        self.full &= self.used > budget.0.limit / 2;
        let size = round(size);
        self.full |= !self.has_room(budget, size)?;
        Ok(if self.full { None } else { Some(self.grant(budget, size)) })
    }

    fn pair(&mut self, budget: &Budget, (one, other): (usize, usize)) -> Result<Option<(Buf, Buf)>, Closed> {
        let (one, other) = (round(one), round(other));
        let room = self.has_room(budget, one + other)?;
        Ok(room.then(|| (self.grant(budget, one), self.grant(budget, other))))
    }

    fn has_room(&self, budget: &Budget, size: usize) -> Result<bool, Closed> {
        // What is above the limit would wait for ever; it is granted alone instead.
        let room = self.used == 0 || self.used + size <= budget.0.limit;
        if self.closed { Err(Closed) } else { Ok(room) }
    }

    fn grant(&mut self, budget: &Budget, size: usize) -> Buf {
        let limit = budget.0.limit;
        // A quarter more at most, or small chunks would sit in large buffers and starve the rest.
        let fits = |buffer: &Vec<u8>| (size..=size + size / 4).contains(&buffer.capacity());
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
        self.used += bytes.capacity();
        self.peak = self.peak.max(self.used + self.idle_bytes);
        Buf { granted: bytes.capacity(), bytes, budget: budget.clone() }
    }
}

fn round(size: usize) -> usize {
    size.max(1).next_multiple_of(STEP)
}

/// A buffer of the budget; dropping it gives it back.
pub(super) struct Buf {
    bytes: Vec<u8>,
    granted: usize,
    budget: Budget,
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
        // What is in it stays: who fills it anew need not have it zeroed first.
        let bytes = mem::take(&mut self.bytes);
        let mut state = self.budget.0.lock();
        state.used -= self.granted;
        if state.used + state.idle_bytes + bytes.capacity() <= self.budget.0.limit {
            state.idle_bytes += bytes.capacity();
            state.idle.push(bytes);
        }
        // Whoever waits for a turn is woken when it may be one.
        let wake = !state.full || state.used <= self.budget.0.limit / 2;
        drop(state);
        if wake {
            self.budget.0.freed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread};

    fn pair(budget: &Budget, one: usize, other: usize) -> Option<(Buf, Buf)> {
        budget.try_pair((one, other)).unwrap()
    }

    #[test]
    fn the_limit_holds_and_buffers_come_back() {
        let budget = Budget::new(4 * STEP);
        let (a, b) = (pair(&budget, STEP, STEP).unwrap(), pair(&budget, 1, 1).unwrap());
        assert!(pair(&budget, 1, 1).is_none());
        drop(b);
        let again = pair(&budget, 100, 100).expect("room again");
        drop((a, again));
        assert_eq!(budget.0.lock().used, 0);
        // Kept buffers make way for sizes they do not fit.
        assert_eq!(pair(&budget, 3 * STEP, STEP).unwrap().0.capacity(), 3 * STEP);
        assert_eq!(budget.peak(), 4 * STEP);
        assert!(pair(&budget, 9 * STEP, STEP).is_some(), "too much, but alone");
    }

    #[test]
    fn one_who_waits_is_woken() {
        let budget = Budget::new(2 * STEP);
        let held = pair(&budget, 1, 1);
        let (tell, told) = mpsc::channel();
        let waiter = thread::spawn({
            let budget = budget.clone();
            move || tell.send(budget.one(2 * STEP, Duration::from_secs(600)).unwrap().is_some())
        });
        assert!(told.try_recv().is_err(), "nothing to grant yet");
        drop(held);
        assert!(told.recv().unwrap());
        waiter.join().unwrap().unwrap();
        budget.close();
        assert!(budget.one(1, Duration::ZERO).is_err());
    }
}
