//! The threads that compress, started once and shared by every import of the process.

use crate::{chunk::Engines, error::Error};
use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

/// Work for one thread, with that thread's own compression contexts.
type Job = Box<dyn FnOnce(&mut Engines) + Send>;

/// The queue has no bound of its own: every job holds buffers of a writer's budget, which is one.
pub(crate) struct Threads {
    jobs: Option<mpsc::Sender<Job>>,
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(crate) fn start(count: usize) -> Result<Threads, Error> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = Threads { jobs: Some(jobs), running: Vec::with_capacity(count) };
        for _ in 0..count {
            let queue = Arc::clone(&queue);
            let thread = thread::Builder::new().name("store-compress".into()).spawn(move || work(&queue));
            threads.running.push(thread.map_err(Error::io("start a thread"))?);
        }
        Ok(threads)
    }

    /// Queues a job. One that is never run is dropped, and whoever waits for its answer sees that.
    pub(crate) fn run(&self, job: impl FnOnce(&mut Engines) + Send + 'static) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Box::new(job));
        }
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    let mut engines = Engines::default();
    loop {
        // The guard is gone before the job runs: threads wait for the queue, never for each other's work.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(&mut engines),
            Err(mpsc::RecvError) => return,
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.jobs = None;
        // The last who lets go of the store may be a job on one of these threads: it does not wait for itself.
        let here = thread::current().id();
        for thread in self.running.drain(..).filter(|thread| thread.thread().id() != here) {
            let _ = thread.join();
        }
    }
}
