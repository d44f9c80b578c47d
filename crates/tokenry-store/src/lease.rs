//! Leases: a process decides from memory while it provably hears of every change.
//!
//! Each process that verifies is a *node*: it has a row in the table `nodes` and a thread, the *feed*, with a connection of
//! its own. The feed reads the events of the audit log, invalidates the rows in memory that they name, and acknowledges
//! them; the same statement renews the lease of the node, which runs from the moment before the statement was sent. Without
//! a lease nothing is decided. Whoever makes a change is answered once every node has acknowledged it; a node that stays
//! silent is waited for until its lease has surely ended, and is then removed.
//!
//! - [`feed`]: registers, renews, applies events.
//! - [`acknowledgements`]: what a change waits for.
//! - [`history`]: what was taken away within the last hour.
//! - [`journal`]: keeps that over a restart.
//! - [`loss`]: applies it again when the database has lost it.
//! - [`memory`]: shares it.
//! - [`proofs`]: whether a commit is durable.
//! - [`waiting`]: verifications that wait for a lease.
//! - [`watchdog`]: replaces a feed whose database does not respond.

mod acknowledgements;
mod feed;
mod history;
mod invalidations;
mod journal;
mod loss;
mod memory;
mod proofs;
mod statements;
mod waiting;
mod watchdog;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use diesel::PgConnection;
use tokenry_domain::{TokenId, UserId};
use tokenry_libpq::Wake;

use self::{
    feed::Registration, invalidations::Invalidations, memory::Memory, proofs::Proofs, waiting::Waiting,
};
use crate::{
    direct::DirectManager,
    error::StoreError,
    pool::Manager,
    primary::Primary,
    settings::StoreSettings,
    steady_clock::Reading,
    supervisor::{Importance, Stop, Worker, Workers},
};

/// The node of this process. Its feed starts with the first verification, so that a process that only writes is none.
pub(crate) struct Leases {
    shared: Arc<Shared>,
    watchdog: OnceLock<Worker>,
    /// Writes the journal.
    journal: OnceLock<Worker>,
}

/// State shared by verifications, the feed and its watchdog.
struct Shared {
    manager: DirectManager,
    /// Opens the connections on which lost changes are looked for and applied again.
    repair: Manager<PgConnection>,
    memory: Arc<Memory>,
    workers: Workers,
    primary: Arc<Primary>,
    /// How long a lease runs.
    length: Duration,
    invalidations: Invalidations,
    /// When the lease ends; zero without one.
    end: Mutex<()>,
    end_steady: AtomicU64,
    end_wall: AtomicU64,
    waiting: Waiting,
    registration: Mutex<Registration>,
    /// The generation of the feed that may act; it differs from that of a feed that was replaced.
    generation: AtomicU64,
    /// When the feed began the statement that runs, by the steady clock; zero while none runs.
    busy_since: AtomicU64,
    /// How long that statement may take, in microseconds.
    busy_limit: AtomicU64,
    /// The number of feeds that were replaced and still hang.
    hanging: AtomicUsize,
    feed: Mutex<Option<Worker>>,
    wanted: Mutex<Wanted>,
    /// Ends the sleep of the feed.
    wake: Wake,
    proofs: Proofs,
}

/// What the feed is asked for.
#[derive(Default, PartialEq, Eq)]
struct Wanted {
    renewal: bool,
    /// This process has committed a change.
    events: bool,
}

impl Leases {
    pub(crate) fn new(
        manager: DirectManager,
        repair: Manager<PgConnection>,
        primary: Arc<Primary>,
        settings: StoreSettings,
        workers: &Workers,
    ) -> Result<Self, StoreError> {
        let shared = Shared {
            manager,
            repair,
            memory: Arc::default(),
            workers: workers.clone(),
            primary,
            length: settings.lease,
            invalidations: Invalidations::new(),
            end: Mutex::new(()),
            end_steady: AtomicU64::new(0),
            end_wall: AtomicU64::new(0),
            waiting: Waiting::default(),
            registration: Mutex::default(),
            generation: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
            busy_limit: AtomicU64::new(0),
            hanging: AtomicUsize::new(0),
            feed: Mutex::default(),
            wanted: Mutex::default(),
            wake: Wake::new()?,
            proofs: Proofs::default(),
        };
        Ok(Self { shared: Arc::new(shared), watchdog: OnceLock::new(), journal: OnceLock::new() })
    }

    /// Returns once this process has a lease at a moment after the call. The future needs no runtime.
    ///
    /// SECURITY: whoever begins to verify calls this first, and looks into memory afterwards.
    pub(crate) async fn acquire(&self) -> Result<(), StoreError> {
        if self.shared.has_lease() {
            return Ok(());
        }
        self.start()?;
        let waiting = self.shared.waiting.wait()?;
        self.shared.want_renewal();
        // It may have been renewed just before this verification began to wait.
        if self.shared.has_lease() {
            return Ok(());
        }
        waiting.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Starts the feed, unless it runs.
    pub(crate) fn start(&self) -> Result<(), StoreError> {
        if self.watchdog.get().is_some() {
            return Ok(());
        }
        let mut feed = locked(&self.shared.feed);
        if self.watchdog.get().is_none() {
            *feed = Some(feed::start(&self.shared)?);
            let watched = self.shared.clone();
            let watch = move |stop: &Stop| watchdog::run(&watched, stop);
            // Held by the mutex, so nobody else has set it.
            let _ =
                self.watchdog.set(self.shared.workers.start("lease-watchdog", Importance::Vital, watch)?);
        }
        Ok(())
    }

    /// Whether this process is a node.
    fn has_feed(&self) -> bool {
        self.watchdog.get().is_some()
    }

    /// What to note before a row is read.
    pub(crate) fn position(&self) -> u64 {
        self.shared.invalidations.position()
    }

    /// Whether a row that was read after `position` was noted is up to date.
    pub(crate) fn is_current(&self, position: u64, token: TokenId, owner: UserId) -> bool {
        self.shared.invalidations.is_current(position, [token.uuid(), owner.uuid()])
    }

    /// Whether the token or the owner of a row that was read after `position` was noted is known to have changed.
    pub(crate) fn is_changed(&self, position: u64, token: TokenId, owner: UserId) -> bool {
        self.shared.invalidations.is_changed(position, [token.uuid(), owner.uuid()])
    }

    /// The server that the connections lead to now.
    pub(crate) fn server(&self) -> u64 {
        self.shared.primary.generation()
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        // The watchdog first, since it would take the end of the feed for a failure.
        drop(self.watchdog.take());
        let feed = locked(&self.shared.feed).take();
        feed.iter().for_each(Worker::stop);
        self.shared.want_renewal();
        drop(feed);
        self.shared.waiting.fail(&stopped());
        // After the feed, so that it writes all that the feed has heard of.
        if let Some(journal) = self.journal.take() {
            journal.stop();
            self.shared.memory.wake_journal();
        }
    }
}

impl Shared {
    /// Whether the lease runs, now and by both clocks.
    fn has_lease(&self) -> bool {
        let now = Reading::now();
        now.steady < self.end_steady.load(SeqCst) && now.wall < self.end_wall.load(SeqCst)
    }

    /// Begins a lease that runs from `sent`, the moment before the renewal was sent.
    /// Returns whether it runs now.
    fn grant(&self, sent: Reading, generation: u64) -> bool {
        let _end = locked(&self.end);
        // SECURITY: a feed that was replaced meanwhile may have missed what its successor knows.
        if self.generation.load(SeqCst) != generation {
            return false;
        }
        let end = sent.after(self.length);
        self.end_wall.store(end.wall, SeqCst);
        self.end_steady.store(end.steady, SeqCst);
        self.has_lease()
    }

    /// Ends the lease at once.
    fn end_lease(&self) {
        let _end = locked(&self.end);
        self.end_steady.store(0, SeqCst);
    }

    /// Wakes the feed for a renewal.
    fn want_renewal(&self) {
        self.want(Wanted { renewal: true, events: false });
    }

    /// Wakes the feed after a change of this process.
    fn want_events(&self) {
        self.want(Wanted { renewal: true, events: true });
    }

    fn want(&self, more: Wanted) {
        let mut wanted = locked(&self.wanted);
        let is_first = *wanted == Wanted::default();
        wanted.renewal |= more.renewal;
        wanted.events |= more.events;
        drop(wanted);
        // The feed takes all wishes at once.
        if is_first {
            self.wake.wake();
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the feed of changes has stopped".to_owned())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these mutexes.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
