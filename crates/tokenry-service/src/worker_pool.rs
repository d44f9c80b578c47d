//! Threads with a short queue for work after the responses and for hashes of new secrets.

use std::sync::{
    Arc, Mutex, PoisonError,
    mpsc::{Receiver, SyncSender, sync_channel},
};

use tokenry_store::{
    StoreError,
    supervisor::{Importance, Stop, Work, Worker, Workers},
};

/// How many jobs may wait for a thread; more are rejected.
const QUEUE: usize = 64;

/// Dropping it stops its threads after the queued work.
pub(crate) struct WorkerPool {
    // Dropped first, so that the threads end after the queued jobs.
    queue: SyncSender<Job>,
    workers: Vec<Worker>,
}

/// One thread of a pool.
struct Serving(Arc<Mutex<Receiver<Job>>>);

/// The queue is full.
#[derive(Debug)]
pub(crate) struct Busy;

type Job = Box<dyn FnOnce() + Send>;

impl WorkerPool {
    pub(crate) fn with_threads(
        workers: &Workers,
        name: &'static str,
        threads: usize,
    ) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel::<Job>(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        let workers: Result<Vec<_>, _> =
            (0..threads).map(|_| workers.start(name, Importance::Vital, Serving(jobs.clone()))).collect();
        Ok(Self { queue, workers: workers? })
    }

    /// Queues the work; `false` if the queue is full.
    pub(crate) fn submit(&self, work: impl FnOnce() + Send + 'static) -> bool {
        self.queue.try_send(Box::new(work)).is_ok()
    }

    /// Runs the work and waits for its result, also for room in the queue. Blocks the thread.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (answer, answered) = sync_channel(1);
        let job = Box::new(move || {
            let _ = answer.send(work());
        });
        self.queue.send(job).map_err(|_| Busy)?;
        answered.recv().map_err(|_| Busy)
    }
}

impl Drop for WorkerPool {
    /// Stops the workers before the queue closes: an end without a stop request counts as a failure.
    fn drop(&mut self) {
        self.workers.iter().for_each(Worker::stop);
    }
}

impl Work for Serving {
    fn run(&mut self, _: &Stop) {
        loop {
            // A separate statement, so that the work runs without the lock.
            let job = self.jobs().recv();
            let Ok(job) = job else { return };
            if let Err(payload) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)) {
                // Dropping the payload may panic too.
                std::mem::forget(payload);
                tracing::error!("a background job panicked");
            }
        }
    }

    fn while_down(&mut self) {
        self.jobs().try_iter().for_each(drop);
    }
}

impl Serving {
    fn jobs(&self) -> std::sync::MutexGuard<'_, Receiver<Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
