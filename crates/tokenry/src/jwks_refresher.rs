//! Refreshes keys that others publish at a URL: those of issuers, and those of GitHub's signed reports.

mod plan;
#[cfg(test)]
mod tests;
mod waiters;

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use tokenry_service::{
    KeyRefresh, KeyRefreshStatus,
    supervisor::{Deadline, Importance, Stop, Work, Worker, Workers},
};

use self::plan::Plan;
use crate::http_client::{self, HttpClient};

/// How long the shutdown waits for running fetches, which end by themselves within the client's timeout.
const LAST_WAIT: Duration = Duration::from_millis(200);

/// Replaces the keys of the issuer with this name by those of a document; otherwise says why the document is not used.
pub(crate) type ReplaceKeys = Arc<dyn Fn(&str, &str) -> Result<(), String> + Send + Sync>;

/// An issuer whose keys come from a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeySource {
    /// The issuer's name, by which its keys are replaced and requested.
    pub(crate) issuer: String,
    /// The URL of the JWK Set; see [`check`](Self::check).
    pub(crate) url: String,
    /// The interval between fetches, clamped to the range from 1 second to 30 days. A withdrawn key is accepted until
    /// the next fetch.
    pub(crate) refresh: Duration,
    /// The minimum interval between forced fetches, because anyone can present a token that names an unknown key.
    pub(crate) min_forced: Duration,
}

impl KeySource {
    /// The minimum interval between forced fetches of the keys of a JWT issuer.
    pub(crate) const MIN_FORCED: Duration = Duration::from_secs(30);

    /// Checks that keys may be fetched from the URL: `https`, or `http` to a loopback address, without a password.
    ///
    /// # Errors
    /// What to change, as a continuation of the setting's name.
    pub(crate) fn check(url: &str) -> Result<(), String> {
        http_client::parse(url).map(|_| ())
    }
}

/// Fetches keys in the background from `begin` until it is dropped, on one thread per issuer so that a slow issuer does
/// not delay others. A failed fetch keeps the old keys.
pub(crate) struct JwksRefresher {
    shared: Arc<Shared>,
    /// In a mutex so that `begin` needs only a shared reference.
    workers: Mutex<Vec<Worker>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    stopped: bool,
    plans: Vec<Plan>,
}

/// The work of one thread: fetches the keys of one source.
struct Fetching {
    shared: Arc<Shared>,
    replace: ReplaceKeys,
    index: usize,
    client: HttpClient,
}

impl JwksRefresher {
    /// A refresher of these sources, which fetches nothing before `begin`. Requests for a key wait until then.
    pub(crate) fn new(sources: Vec<KeySource>) -> Self {
        let plans = sources.into_iter().map(|source| Plan::new(source, now())).collect();
        let state = Mutex::new(State { stopped: false, plans });
        Self { shared: Arc::new(Shared { state, changed: Condvar::new() }), workers: Mutex::default() }
    }

    /// Starts to fetch the keys of all sources, immediately and then periodically.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(crate) fn begin(&self, replace: &ReplaceKeys, workers: &Workers) -> io::Result<()> {
        let sources = self.shared.lock().plans.len();
        for index in 0..sources {
            let (shared, replace) = (self.shared.clone(), replace.clone());
            let fetching = Fetching { shared, replace, index, client: HttpClient::new() };
            let worker = workers.start("keys", Importance::Background, fetching)?;
            self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        }
        Ok(())
    }

    /// Requests a fetch because a token names an unknown key, and returns immediately. A request too soon after the last
    /// forced fetch is postponed.
    fn request_refresh(&self, issuer: &str) -> KeyRefreshStatus {
        let mut state = self.shared.lock();
        let found = state.plans.iter_mut().find(|plan| plan.source().issuer == issuer);
        // Keys that do not come from a URL do not change while the server runs.
        let Some(plan) = found else { return KeyRefreshStatus::Current };
        plan.request_refresh(now());
        self.shared.changed.notify_all();
        match plan.is_fetching(now()) {
            true => plan.waiters().join().map_or(KeyRefreshStatus::Unavailable, KeyRefreshStatus::Pending),
            false if plan.is_current(now()) => KeyRefreshStatus::Current,
            false => KeyRefreshStatus::Unavailable,
        }
    }
}

/// The refresher's interface to the service. The weak reference lets the refresher end with the server, even if the
/// service lives longer.
pub(crate) struct Refresher(pub(crate) Weak<JwksRefresher>);

impl KeyRefresh for Refresher {
    fn refresh(&self, issuer: &str) -> KeyRefreshStatus {
        self.0.upgrade().map_or(KeyRefreshStatus::Unavailable, |refresher| refresher.request_refresh(issuer))
    }
}

impl Drop for JwksRefresher {
    fn drop(&mut self) {
        let workers = std::mem::take(self.workers.get_mut().unwrap_or_else(PoisonError::into_inner));
        workers.iter().for_each(Worker::stop);
        let mut state = self.shared.lock();
        state.stopped = true;
        state.plans.iter_mut().for_each(|plan| plan.waiters().wake());
        drop(state);
        self.shared.changed.notify_all();
        let deadline = Deadline::after(LAST_WAIT);
        for worker in workers {
            if !worker.wait(deadline.left()) {
                worker.abandon();
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the fetch of a source is due; `None` once the refresher is stopped.
    fn next(&self, index: usize) -> Option<KeySource> {
        let mut state = self.lock();
        loop {
            let plan = state.plans.get(index).filter(|_| !state.stopped)?;
            let wait = plan.due().saturating_duration_since(now());
            if wait.is_zero() {
                return Some(plan.source().clone());
            }
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn record(&self, index: usize, is_fresh: bool, started: Instant) {
        if let Some(plan) = self.lock().plans.get_mut(index) {
            plan.record(is_fresh, started, now());
        }
    }
}

impl Work for Fetching {
    fn run(&mut self, _: &Stop) {
        while let Some(source) = self.shared.next(self.index) {
            let started = now();
            let fetched = self.client.get(&source.url);
            let replaced = fetched.and_then(|document| (self.replace)(&source.issuer, &document));
            self.shared.record(self.index, replaced.is_ok(), started);
            match replaced {
                Ok(()) => tracing::debug!(issuer = source.issuer, "issuer keys refreshed"),
                Err(error) => tracing::warn!(issuer = source.issuer, error, "cannot refresh issuer keys"),
            }
        }
    }

    /// Wakes all waiters, because no fetch will complete while the thread is down.
    fn while_down(&mut self) {
        if let Some(plan) = self.shared.lock().plans.get_mut(self.index) {
            plan.waiters().wake();
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the only place where the refresher reads the monotonic clock")]
fn now() -> Instant {
    Instant::now()
}
