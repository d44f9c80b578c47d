//! Slow hashes that verifications wait for: each is done once, however many wait for it, and nobody waits long for its
//! beginning.

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

/// Waiting is counted in these, so that no clock is read. They pass only while somebody waits.
const TICK: Duration = Duration::from_millis(50);
/// How many of them a request waits at most for its hash to begin: two seconds.
const MAX_WAIT_TICKS: u64 = 40;
/// How many requests may wait at once; each takes less than a kilobyte.
const MAX_WAITERS: usize = 4096;
/// How many different secrets of one token may wait. A token has one right secret, for which one hash is done, so more of
/// them are guesses, which must not take the places of others.
const MAX_SECRETS: usize = 4;

/// Dropping it ends its threads after the hashes they are at.
pub(crate) struct HashQueue {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

struct Shared {
    state: Mutex<State>,
    /// There is a hash to be done, or an end.
    work: Condvar,
    /// Somebody begins to wait, or there is an end.
    waiting: Condvar,
}

#[derive(Default)]
struct State {
    jobs: HashMap<Proof, Job>,
    /// Which of them is next; some may be gone or done.
    order: VecDeque<Proof>,
    /// Of all jobs.
    waiters: usize,
    tick: u64,
    is_closed: bool,
}

struct Job {
    token_id: TokenId,
    /// `None` while it is being done.
    work: Option<Work>,
    waiters: Vec<Waiter>,
}

struct Waiter {
    since: u64,
    answer: oneshot::Sender<Match>,
}

type Work = Box<dyn FnOnce() -> Match + Send>;

impl HashQueue {
    /// As many threads as there are cores but one, so that slow hashes leave a core to everything else.
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
        let ticks = move |_: &Stop| shared.count_ticks();
        queue.workers.push(workers.start("hash-wait", Importance::Vital, ticks)?);
        Ok(queue)
    }

    /// What comes of `work`, or of the work that waits under the same key already.
    pub(crate) async fn run(
        &self,
        key: Proof,
        token_id: TokenId,
        work: impl FnOnce() -> Match + Send + 'static,
    ) -> Result<Match, Busy> {
        let answered = self.shared.enqueue(key, token_id, Box::new(work))?;
        // Dropped without an answer when it has waited too long for the beginning.
        answered.await.map_err(|_| Busy)
    }
}

#[cfg(test)]
impl HashQueue {
    /// Whether a hash is being done.
    pub(crate) fn is_hashing(&self) -> bool {
        self.shared.locked().jobs.values().any(|job| job.work.is_none())
    }
}

impl Drop for HashQueue {
    fn drop(&mut self) {
        // First: an end that nobody ordered would be a failure.
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
            let is_of_token = |job: &&Job| job.token_id == token_id;
            if state.jobs.values().filter(is_of_token).count() >= MAX_SECRETS {
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

    /// A thread that does what waits, in the order in which it came.
    fn work(&self) {
        while let Some((key, work)) = self.next() {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let waiters = self.locked().finish(&key);
            let Ok(outcome) = outcome else {
                tracing::error!("a hash panicked");
                continue;
            };
            for waiter in waiters {
                // Whoever asked may have gone away.
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

    /// A thread that ends the waiting of whoever waits too long for a beginning, also while all hashing threads are at
    /// work.
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
        // Nothing panics while it holds it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next work that somebody still waits for.
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

    /// Sends away who has waited too long, and forgets who has gone away and what nobody waits for. A hash that has begun
    /// keeps who waits for it, and its place for whoever comes later: to send them away would only bring them back for
    /// another one.
    fn end_waits(&mut self) {
        let tick = self.tick;
        self.jobs.retain(|_, job| {
            let has_begun = job.work.is_none();
            let is_patient = |waiter: &Waiter| has_begun || tick - waiter.since < MAX_WAIT_TICKS;
            job.waiters.retain(|waiter| is_patient(waiter) && !waiter.answer.is_canceled());
            has_begun || !job.waiters.is_empty()
        });
        self.waiters = self.jobs.values().map(|job| job.waiters.len()).sum();
        let Self { jobs, order, .. } = self;
        order.retain(|key| jobs.contains_key(key));
    }
}
