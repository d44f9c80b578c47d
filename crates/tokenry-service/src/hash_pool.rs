//! Threads for what is done behind the answers, and for hashes of new secrets, behind a short queue.

use std::sync::{
    Arc, Mutex,
    mpsc::{Receiver, SyncSender, sync_channel},
};

use tokenry_store::StoreError;

/// How many hashes may wait for a thread; more are refused.
const QUEUE: usize = 64;

/// Dropping it ends its threads after the work that waits.
pub(crate) struct HashPool {
    queue: SyncSender<Job>,
}

/// Too many hashes wait.
#[derive(Debug)]
pub(crate) struct Busy;

type Job = Box<dyn FnOnce() + Send>;

impl HashPool {
    pub(crate) fn with_threads(threads: usize) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel::<Job>(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..threads {
            let jobs = jobs.clone();
            std::thread::Builder::new()
                .name("tokenry-hash".to_owned())
                .spawn(move || serve(&jobs))
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        }
        Ok(Self { queue })
    }

    /// Does the work some time; `false` if too much waits.
    pub(crate) fn submit(&self, work: impl FnOnce() + Send + 'static) -> bool {
        self.queue.try_send(Box::new(work)).is_ok()
    }

    /// Does the work and waits for it, also for a place in the queue: for callers whose thread may be blocked.
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

fn serve(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = match jobs.lock() {
            Ok(jobs) => jobs.recv(),
            Err(_) => return,
        };
        let Ok(job) = job else { return };
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
            tracing::error!("a hash panicked");
        }
    }
}
