//! Runs the slow hashes that verifications wait for. Requests with the same secret share one hash, and a request whose
//! hash has not begun in time is rejected.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    num::NonZero,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_channel::oneshot;
use tokenry_crypto::{Match, Proof};
use tokenry_domain::TokenId;
use tokenry_store::{
    StoreError,
    supervisor::{Importance, Stop, Worker, Workers},
};

use crate::worker_pool::Busy;

/// The unit in which waiting is measured, so that no clock is read. Ticks pass only while requests wait.
const TICK: Duration = Duration::from_millis(50);
/// How many ticks a request waits for its hash to begin: two seconds.
const MAX_WAIT_TICKS: u64 = 40;
/// How many requests may wait at once; each takes less than one kilobyte.
const MAX_WAITERS: usize = 4096;
/// How many different secrets of one token may wait. A token has one valid secret, so more of them are guesses, which
/// must not use up the queue.
const MAX_SECRETS: usize = 4;

/// Dropping it stops its threads after their current hashes.
pub(crate) struct HashQueue {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

struct Shared {
    state: Mutex<State>,
    /// Signals a new job, or the end.
    work: Condvar,
    /// Signals the first waiter, or the end.
    waiting: Condvar,
}

#[derive(Default)]
struct State {
    jobs: HashMap<Proof, Job>,
    /// The order of the jobs; some may be abandoned or done.
    order: VecDeque<Proof>,
    /// The number of waiters of all jobs.
    waiters: usize,
    tick: u64,
    is_closed: bool,
}

struct Job {
    token_id: TokenId,
    /// `None` while the hash is running.
    work: Option<Work>,
    waiters: Vec<Waiter>,
}

struct Waiter {
    since: u64,
    answer: oneshot::Sender<Match>,
}

type Work = Box<dyn FnOnce() -> Match + Send>;

impl HashQueue {
    /// Starts one thread per core but one, so that slow hashes leave a core for everything else.
    pub(crate) fn start(workers: &Workers) -> Result<Self, StoreError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_threads(workers, cores.saturating_sub(1).max(1))
    }

    fn with_threads(workers: &Workers, threads: usize) -> Result<Self, StoreError> {
        let state = Mutex::default();
        let shared = Arc::new(Shared { state, work: Condvar::new(), waiting: Condvar::new() });
        let mut queue = Self { shared: shared.clone(), workers: Vec::new() };
        for _ in 0..threads {
            let shared = shared.clone();
            queue.workers.push(workers.start("hash", Importance::Vital, move |_: &Stop| shared.work())?);
        }
        let ticking = workers.start("hash-wait", Importance::Vital, move |_: &Stop| shared.count_ticks())?;
        queue.workers.push(ticking);
        Ok(queue)
    }

    /// Returns the result of `work`, or of a job already queued under the same key.
    pub(crate) async fn run(
        &self,
        key: Proof,
        token_id: TokenId,
        work: impl FnOnce() -> Match + Send + 'static,
    ) -> Result<Match, Busy> {
        let answered = self.shared.enqueue(key, token_id, Box::new(work))?;
        // The sender is dropped without an answer when the job has waited too long.
        answered.await.map_err(|_| Busy)
    }

    /// How many requests wait for a hash.
    pub(crate) fn waiters(&self) -> usize {
        self.shared.locked().waiters
    }
}

#[cfg(test)]
impl HashQueue {
    /// Whether a hash is running.
    pub(crate) fn is_hashing(&self) -> bool {
        self.shared.locked().jobs.values().any(|job| job.work.is_none())
    }
}

impl Drop for HashQueue {
    fn drop(&mut self) {
        // First: an end without a stop request counts as a failure.
        self.workers.iter().for_each(Worker::stop);
        self.shared.locked().is_closed = true;
        self.shared.work.notify_all();
        self.shared.waiting.notify_all();
    }
}

impl Shared {
    fn enqueue(&self, key: Proof, token_id: TokenId, work: Work) -> Result<oneshot::Receiver<Match>, Busy> {
        let mut state = self.locked();
        if state.waiters >= MAX_WAITERS {
            return Err(Busy);
        }
        let (answer, answered) = oneshot::channel();
        let waiter = Waiter { since: state.tick, answer };
        if let Some(job) = state.jobs.get_mut(&key) {
            job.waiters.push(waiter);
        } else {
            if state.jobs.values().filter(|job| job.token_id == token_id).count() >= MAX_SECRETS {
                return Err(Busy);
            }
            if state.jobs.is_empty() {
                self.waiting.notify_all();
            }
            state.jobs.insert(key, Job { token_id, work: Some(work), waiters: vec![waiter] });
            state.order.push_back(key);
            self.work.notify_one();
        }
        state.waiters += 1;
        Ok(answered)
    }

    /// Runs the jobs in order of arrival.
    fn work(&self) {
        while let Some((key, work)) = self.next() {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let waiters = self.locked().finish(&key);
            let Ok(outcome) = outcome else {
                tracing::error!("a hash panicked");
                continue;
            };
            for waiter in waiters {
                // The request may have been cancelled.
                let _ = waiter.answer.send(outcome);
            }
        }
    }

    fn next(&self) -> Option<(Proof, Work)> {
        let mut state = self.locked();
        while !state.is_closed {
            if let Some(next) = state.take() {
                return Some(next);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// Rejects requests that have waited too long, even while all hashing threads are busy.
    fn count_ticks(&self) {
        let mut state = self.locked();
        while !state.is_closed {
            if state.jobs.is_empty() {
                state = self.waiting.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.waiting.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if waited.1.timed_out() {
                state.tick += 1;
                state.end_waits();
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // No code panics while holding the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the next job that still has a waiter.
    fn take(&mut self) -> Option<(Proof, Work)> {
        while let Some(key) = self.order.pop_front() {
            let Some(job) = self.jobs.get_mut(&key) else { continue };
            let before = job.waiters.len();
            job.waiters.retain(|waiter| !waiter.answer.is_canceled());
            self.waiters -= before - job.waiters.len();
            if job.waiters.is_empty() {
                self.jobs.remove(&key);
            } else if let Some(work) = job.work.take() {
                return Some((key, work));
            }
        }
        None
    }

    fn finish(&mut self, key: &Proof) -> Vec<Waiter> {
        let waiters = self.jobs.remove(key).map_or_else(Vec::new, |job| job.waiters);
        self.waiters -= waiters.len();
        waiters
    }

    /// Rejects requests that have waited too long, and drops cancelled requests and jobs without waiters. A running
    /// hash keeps its waiters and accepts new ones: rejecting them would only make them retry with another hash.
    fn end_waits(&mut self) {
        let tick = self.tick;
        self.jobs.retain(|_, job| {
            let has_begun = job.work.is_none();
            job.waiters.retain(|waiter| {
                (has_begun || tick - waiter.since < MAX_WAIT_TICKS) && !waiter.answer.is_canceled()
            });
            has_begun || !job.waiters.is_empty()
        });
        self.waiters = self.jobs.values().map(|job| job.waiters.len()).sum();
        let Self { jobs, order, .. } = self;
        order.retain(|key| jobs.contains_key(key));
    }
}
