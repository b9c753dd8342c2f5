//! The threads that compress, started once and shared by every import of the process.

use crate::{chunk::Compressors, error::Error};
use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

/// Work for one thread, with that thread's own compression contexts.
type Job = Box<dyn FnOnce(&mut Compressors) + Send>;

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
    pub(crate) fn run(&self, job: impl FnOnce(&mut Compressors) + Send + 'static) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Box::new(job));
        }
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    let mut compressors = Compressors::default();
    loop {
        // The guard is gone before the job runs: threads wait for the queue, never for each other's work.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(&mut compressors),
            Err(mpsc::RecvError) => return,
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.running.drain(..) {
            let _ = thread.join();
        }
    }
}
