//! Keeps the keys of issuers that publish them at a URL fresh.

mod fetch;
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
    JwtVerifier, KeyRefresh, KeyRefreshStatus,
    supervisor::{Deadline, Importance, Stop, Work, Worker, Workers},
};

use self::{fetch::Client, plan::Plan};

/// How long the end of the process waits for fetches that are under way. They end by themselves within the client's timeout.
const LAST_WAIT: Duration = Duration::from_millis(200);

/// An issuer whose keys come from a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeySource {
    /// The name under which the verifier knows the issuer.
    pub(crate) issuer: String,
    /// Where its JWK Set is; see [`check`](Self::check).
    pub(crate) url: String,
    /// How long keys are kept before they are fetched again; taken as 1 second if it is less, and 30 days if it is more.
    /// A key that the issuer withdraws is accepted for so long.
    pub(crate) refresh: Duration,
}

impl KeySource {
    /// Whether keys may be fetched from the URL: `https`, or `http` from this host alone, and no password in it.
    ///
    /// # Errors
    /// What to change, as the rest of a sentence that begins with the setting's name.
    pub(crate) fn check(url: &str) -> Result<(), String> {
        fetch::parse(url).map(|_| ())
    }
}

/// Fetches keys in the background from when it is begun until it is dropped, those of each issuer on a thread of its own, so
/// that none waits for another. A failed fetch keeps the old keys.
pub(crate) struct JwksRefresher {
    shared: Arc<Shared>,
    /// In a mutex only so that the feed can be begun while others hold it.
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

/// What one thread does: it fetches the keys of one source.
struct Fetching {
    shared: Arc<Shared>,
    verifier: Arc<JwtVerifier>,
    index: usize,
    client: Client,
}

impl JwksRefresher {
    /// A feed of these sources, which fetches nothing yet. Who asks for a key waits until it has begun.
    pub(crate) fn new(sources: Vec<KeySource>) -> Self {
        let plans = sources.into_iter().map(|source| Plan::new(source, now())).collect();
        let state = Mutex::new(State { stopped: false, plans });
        Self { shared: Arc::new(Shared { state, changed: Condvar::new() }), workers: Mutex::default() }
    }

    /// Starts to fetch the keys of all sources, at once and then again and again.
    ///
    /// # Errors
    /// When the system gives no further thread.
    pub(crate) fn begin(&self, verifier: &Arc<JwtVerifier>, workers: &Workers) -> io::Result<()> {
        let sources = self.shared.lock().plans.len();
        for index in 0..sources {
            let (shared, verifier) = (self.shared.clone(), verifier.clone());
            let fetching = Fetching { shared, verifier, index, client: Client::new() };
            let worker = workers.start("keys", Importance::Background, fetching)?;
            self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        }
        Ok(())
    }

    /// Fetches the issuer's keys soon, because a token names a key that is not among them. It returns at once; what is
    /// asked less than 30 seconds after the last such fetch is not done.
    fn request_refresh(&self, issuer: &str) -> KeyRefreshStatus {
        let mut state = self.shared.lock();
        let found = state.plans.iter_mut().find(|plan| plan.source().issuer == issuer);
        // Other keys than those of a URL do not change while the server runs.
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

/// The feed as the service asks it. It ends with the server, and not with whoever holds the service last.
pub(crate) struct Refresher(pub(crate) Weak<JwksRefresher>);

impl KeyRefresh for Refresher {
    fn refresh(&self, issuer: &str) -> KeyRefreshStatus {
        self.0.upgrade().map_or(KeyRefreshStatus::Unavailable, |feed| feed.request_refresh(issuer))
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

    /// Waits until the time of a source has come; `None` when nothing is to be fetched any more.
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

    fn note(&self, index: usize, is_fresh: bool, started: Instant) {
        if let Some(plan) = self.lock().plans.get_mut(index) {
            plan.note(is_fresh, started, now());
        }
    }
}

impl Work for Fetching {
    fn run(&mut self, _: &Stop) {
        while let Some(source) = self.shared.next(self.index) {
            let started = now();
            let fetched = self.client.fetch(&source.url);
            let replaced = fetched.and_then(|jwks| {
                self.verifier.replace_keys(&source.issuer, &jwks).map_err(|error| error.to_string())
            });
            self.shared.note(self.index, replaced.is_ok(), started);
            match replaced {
                Ok(()) => tracing::debug!(issuer = source.issuer, "the keys are fresh"),
                Err(error) => tracing::warn!(issuer = source.issuer, error, "the keys were not refreshed"),
            }
        }
    }

    /// Nobody waits for a fetch that failed.
    fn while_down(&mut self) {
        if let Some(plan) = self.shared.lock().plans.get_mut(self.index) {
            plan.waiters().wake();
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place where the feed reads the monotonic clock")]
fn now() -> Instant {
    Instant::now()
}
