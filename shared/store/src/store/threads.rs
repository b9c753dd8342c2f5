//! The threads that compress, started once and shared by every import of the process.

use crate::{chunk::Engines, error::Error};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

/// Work for one thread, with that thread's own contexts.
type Job = Box<dyn FnOnce(&mut Engines) + Send>;

/// How much these threads give way to others of the process.
const NICE: i32 = 5;

/// The queues have no bound of their own: every job holds buffers of an intake's budget, which is one.
pub(crate) struct Threads {
    queue: Arc<Queue>,
    running: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<Jobs>,
    more: Condvar,
}

#[derive(Default)]
struct Jobs {
    /// Somebody waits for these already: reading back, which goes on while the rest is compressed.
    first: VecDeque<Job>,
    then: VecDeque<Job>,
    closed: bool,
}

impl Threads {
    pub(crate) fn start(count: usize) -> Result<Threads, Error> {
        let mut threads = Threads { queue: Arc::default(), running: Vec::with_capacity(count) };
        for _ in 0..count {
            let queue = Arc::clone(&threads.queue);
            let thread = thread::Builder::new().name("store-compress".into()).spawn(move || work(&queue));
            threads.running.push(thread.map_err(Error::io("start a thread"))?);
        }
        Ok(threads)
    }

    /// Queues a job. One that is never run is dropped, and whoever waits for its answer sees that.
    pub(crate) fn run(&self, first: bool, job: impl FnOnce(&mut Engines) + Send + 'static) {
        let mut jobs = self.queue.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if first {
            jobs.first.push_back(Box::new(job));
        } else {
            jobs.then.push_back(Box::new(job));
        }
        drop(jobs);
        self.queue.more.notify_one();
    }
}

fn work(queue: &Queue) {
    // Whoever reads, serves or answers comes first; compressing is never what somebody waits for but at the end.
    let _ = rustix::process::nice(NICE);
    let mut engines = Engines::default();
    let mut jobs = queue.jobs.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if jobs.closed {
            return;
        }
        match jobs.first.pop_front().or_else(|| jobs.then.pop_front()) {
            Some(job) => {
                // Threads wait for the queue, never for each other's work.
                drop(jobs);
                job(&mut engines);
                jobs = queue.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            }
            None => jobs = queue.more.wait(jobs).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let mut jobs = self.queue.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.closed = true;
        let never = (std::mem::take(&mut jobs.first), std::mem::take(&mut jobs.then));
        drop(jobs);
        drop(never);
        self.queue.more.notify_all();
        // The last who lets go of the store may be a job on one of these threads: it does not wait for itself.
        let here = thread::current().id();
        for thread in self.running.drain(..).filter(|thread| thread.thread().id() != here) {
            let _ = thread.join();
        }
    }
}
