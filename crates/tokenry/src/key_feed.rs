//! Keeps the keys of issuers that publish them at a URL fresh.

mod fetch;
mod plan;
#[cfg(test)]
mod tests;
mod waiters;

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use tokenry_service::{JwtVerifier, KeyRefresh, KeyRefreshStatus};

use self::{fetch::Client, plan::Plan};

/// How long the end of the process waits for a fetch that is under way. It ends by itself within the client's timeout.
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

/// Fetches keys in the background from when it is started until it is dropped. A failed fetch keeps the old keys.
pub(crate) struct KeyFeed {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// In a mutex only so that threads can share the feed.
    ended: Mutex<Receiver<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    stopped: bool,
    plans: Vec<Plan>,
}

impl KeyFeed {
    /// Starts to fetch the keys of all sources, at once and then again and again.
    ///
    /// # Errors
    /// When the system gives no further thread.
    pub(crate) fn start(verifier: Arc<JwtVerifier>, sources: Vec<KeySource>) -> io::Result<Self> {
        let plans = sources.into_iter().map(|source| Plan::new(source, now())).collect();
        let shared =
            Arc::new(Shared { state: Mutex::new(State { stopped: false, plans }), changed: Condvar::new() });
        let (alive, ended) = channel();
        let thread = Builder::new().name("tokenry-keys".to_owned()).spawn({
            let shared = shared.clone();
            move || run(&shared, &verifier, alive)
        })?;
        Ok(Self { shared, thread: Some(thread), ended: Mutex::new(ended) })
    }

    /// Fetches the issuer's keys soon, because a token names a key that is not among them. It returns at once; what is
    /// asked less than 30 seconds after the last such fetch is not done.
    fn request_refresh(&self, issuer: &str) -> KeyRefreshStatus {
        let mut state = self.shared.lock();
        let found = state.plans.iter_mut().find(|plan| plan.source().issuer == issuer);
        // Other keys than those of a URL do not change while the server runs.
        let Some(plan) = found else { return KeyRefreshStatus::Current };
        if plan.hurry(now()) {
            self.shared.changed.notify_one();
        }
        match plan.is_fetching(now()) {
            true => plan.waiters().join().map_or(KeyRefreshStatus::Unavailable, KeyRefreshStatus::Pending),
            false if plan.is_fresh() => KeyRefreshStatus::Current,
            false => KeyRefreshStatus::Unavailable,
        }
    }
}

/// The feed as the service asks it. It ends with the server, and not with whoever holds the service last.
pub(crate) struct Refresher(pub(crate) Weak<KeyFeed>);

impl KeyRefresh for Refresher {
    fn refresh(&self, issuer: &str) -> KeyRefreshStatus {
        self.0.upgrade().map_or(KeyRefreshStatus::Unavailable, |feed| feed.request_refresh(issuer))
    }
}

impl Drop for KeyFeed {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        state.plans.iter_mut().for_each(|plan| plan.waiters().wake());
        drop(state);
        self.shared.changed.notify_one();
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let is_over = ended.recv_timeout(LAST_WAIT) == Err(RecvTimeoutError::Disconnected);
        if let Some(thread) = self.thread.take().filter(|_| is_over) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next source whose time has come; `None` when nothing is to be fetched any more.
    fn next(&self) -> Option<KeySource> {
        let mut state = self.lock();
        loop {
            let plan = state.plans.iter().min_by_key(|plan| plan.due()).filter(|_| !state.stopped)?;
            let wait = plan.due().saturating_duration_since(now());
            if wait.is_zero() {
                return Some(plan.source().clone());
            }
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn note(&self, source: &KeySource, is_fresh: bool, started: Instant) {
        if let Some(plan) = self.lock().plans.iter_mut().find(|plan| plan.source() == source) {
            plan.note(is_fresh, started, now());
        }
    }
}

/// The thread. `_alive` is dropped when it ends, whatever ends it.
fn run(shared: &Shared, verifier: &JwtVerifier, _alive: Sender<()>) {
    let client = Client::new();
    while let Some(source) = shared.next() {
        let started = now();
        let fetched = client.fetch(&source.url);
        let replaced = fetched
            .and_then(|jwks| verifier.replace_keys(&source.issuer, &jwks).map_err(|error| error.to_string()));
        shared.note(&source, replaced.is_ok(), started);
        match replaced {
            Ok(()) => tracing::debug!(issuer = source.issuer, "the keys are fresh"),
            Err(error) => tracing::warn!(issuer = source.issuer, error, "the keys were not refreshed"),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place where the feed reads the monotonic clock")]
fn now() -> Instant {
    Instant::now()
}
