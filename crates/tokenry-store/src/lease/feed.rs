//! The feed: registers the node, applies events, and renews the lease.

use std::{
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::Duration,
};

use uuid::Uuid;

use super::{
    Shared, locked,
    memory::Memory,
    statements::{self, ACKNOWLEDGED, CHANGE, Change, Renewal},
};
use crate::{
    direct::{Direct, Unproven, warned},
    error::StoreError,
    instance::ChainHead,
    steady_clock::{self as clock, Reading},
    supervisor::{Importance, Stop, Work, Worker},
};

/// How long a connection may take to open before the feed is replaced.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);
/// How long the comparison with what is remembered, or one transaction that applies lost changes again, may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(6);
/// The pause after a failure.
const RETRY: Duration = Duration::from_millis(100);

/// The node's row, and what it has applied.
#[derive(Default)]
pub(super) struct Registration {
    node: Option<Uuid>,
    /// Every event up to this one is applied to the rows in memory.
    applied: i64,
    /// The digest of that event; `None` until it was read.
    hash: Option<[u8; 32]>,
    /// Events that are applied, and are not remembered before a commit proves that the standbys have them.
    unproven: Vec<Change>,
    /// The moment before the read by which it was applied: every change that was committed earlier is applied.
    proved_at: Option<Reading>,
    /// The generation of the server that has the row.
    server: u64,
}

/// The node's row, the event up to which everything is applied, its digest, and the moment before it was read.
type Registered = (Uuid, i64, Option<[u8; 32]>, Option<Reading>);

/// Starts the feed of the current generation.
pub(super) fn start(shared: &Arc<Shared>) -> Result<Worker, StoreError> {
    let feed = Feed { shared: shared.clone(), generation: shared.generation.load(SeqCst) };
    Ok(shared.workers.start("feed", Importance::Vital, feed)?)
}

struct Feed {
    shared: Arc<Shared>,
    generation: u64,
}

/// What the notifications of one look were about.
#[derive(Default)]
struct Heard {
    is_change: bool,
    rows: Vec<Uuid>,
    is_every_row: bool,
}

/// Why a feed ends its connection.
enum Broken {
    /// It failed.
    Failed(StoreError),
    /// The server answered a statement with this warning.
    Warned(String),
    /// Another feed has replaced this one, or the process ends.
    Replaced,
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Work for Feed {
    fn run(&mut self, stop: &Stop) {
        while !stop.is_requested() && !self.is_replaced() {
            match self.serve(stop) {
                Ok(()) | Err(Broken::Replaced) => {}
                Err(Broken::Failed(error)) => {
                    tracing::warn!(%error, "the feed of changes lost its connection");
                    self.pause(stop);
                }
                Err(Broken::Warned(warning)) => {
                    tracing::error!("{}; the feed of changes replaces its connection", warned(&warning));
                    self.pause(stop);
                }
            }
        }
    }

    fn while_down(&mut self) {
        self.shared.end_lease();
        self.shared.invalidations.drop_all();
        let error = StoreError::Unavailable("the feed of changes failed".to_owned());
        self.shared.waiting.fail(&error);
    }
}

impl Drop for Feed {
    /// A feed that was replaced no longer hangs once it ends.
    fn drop(&mut self) {
        if self.is_replaced() {
            self.shared.hanging.fetch_sub(1, Relaxed);
        }
    }
}

impl Feed {
    fn is_replaced(&self) -> bool {
        self.shared.generation.load(SeqCst) != self.generation
    }

    /// Waits before the next connection.
    fn pause(&self, stop: &Stop) {
        if !self.is_replaced() {
            self.shared.busy_since.store(0, SeqCst);
        }
        let _ = stop.wait(RETRY);
    }

    /// Works on one connection until it fails, is too old, or a stop is requested.
    fn serve(&self, stop: &Stop) -> Result<(), Broken> {
        let mut listener = self.connect()?;
        // SECURITY: notifications of changes past Tokenry may have been missed until now.
        self.shared.invalidations.drop_all();
        self.forget_unproven();
        let (mut due, mut owes) = (0, false);
        loop {
            if self.is_replaced() {
                return Err(Broken::Replaced);
            }
            if stop.is_requested() {
                self.leave(&mut listener);
                return Err(Broken::Replaced);
            }
            let heard = self.listen(&mut listener)?;
            self.apply_rows(&heard);
            let now = clock::steady_now();
            let wanted = std::mem::take(&mut *locked(&self.shared.wanted));
            let is_change = heard.is_change || wanted.events;
            if is_change || owes {
                if is_change {
                    self.apply_events(&mut listener)?;
                }
                owes = self.renew(&mut listener, true)?;
            } else if now >= due || wanted.renewal {
                owes = self.renew(&mut listener, false)?;
            } else {
                // Until a notification, a wish or the next renewal.
                listener.wait(Duration::from_micros(due - now), &self.shared.wake)?;
                continue;
            }
            due = clock::steady_now() + clock::micros(self.shared.length / 4);
            if listener.is_old() {
                // An address may lead to another server by now. The new connection continues with the same row, and
                // listens before the old one is read for the last time, so that no notification is missed.
                let next = self.connect()?;
                owes |= self.renew(&mut listener, false)?;
                let heard = self.listen(&mut listener)?;
                self.apply_rows(&heard);
                owes |= heard.is_change;
                listener = next;
            }
        }
    }

    /// Opens a connection that listens before anything is read on it.
    fn connect(&self) -> Result<Direct, Broken> {
        // About ten round trips, after a connection that may take as long as libpq tries.
        let limit = CONNECT_LIMIT.max(self.shared.length / 2);
        let connected = self.timed_within(limit, || {
            let opened = self.shared.manager.open().map_err(|error| match error {
                // The database was usable when the store was opened, so the failure may be temporary.
                StoreError::Unusable(message) => StoreError::Unavailable(message),
                error => error,
            });
            let mut listener = opened?;
            statements::listen(&mut listener)?;
            Ok(listener)
        });
        if let Err(Broken::Failed(error)) = &connected {
            self.shared.waiting.fail(error);
        }
        connected
    }

    /// Runs a statement and tells the watchdog since when.
    fn timed<T>(&self, run: impl FnOnce() -> Result<T, Unproven>) -> Result<T, Broken> {
        self.timed_within(self.shared.length / 2, run)
    }

    fn timed_within<T>(
        &self,
        limit: Duration,
        run: impl FnOnce() -> Result<T, Unproven>,
    ) -> Result<T, Broken> {
        self.shared.busy_limit.store(clock::micros(limit), SeqCst);
        self.shared.busy_since.store(clock::steady_now(), SeqCst);
        let result = run();
        if self.is_replaced() {
            return Err(Broken::Replaced);
        }
        self.shared.busy_since.store(0, SeqCst);
        result.map_err(|unproven| match unproven {
            Unproven::Failed(error) => Broken::Failed(error),
            Unproven::Warned(warning) => {
                // SECURITY: the server may be an old primary that is cut off, where nothing is current any more.
                self.shared.end_lease();
                Broken::Warned(warning)
            }
        })
    }

    /// Takes the notifications that have arrived.
    fn listen(&self, listener: &mut Direct) -> Result<Heard, Broken> {
        let mut heard = Heard::default();
        let mut is_acknowledged = false;
        for notification in listener.notifications()? {
            match (notification.channel.as_str(), notification.payload.parse()) {
                (CHANGE, _) => heard.is_change = true,
                (ACKNOWLEDGED, _) => is_acknowledged = true,
                (_, Ok(id)) => heard.rows.push(id),
                (_, Err(_)) => heard.is_every_row = true,
            }
        }
        if is_acknowledged {
            self.shared.proofs.hear();
        }
        Ok(heard)
    }

    fn apply_rows(&self, heard: &Heard) {
        if heard.is_every_row {
            self.shared.invalidations.invalidate_all();
        }
        self.shared.invalidations.invalidate(&heard.rows);
    }

    /// Reads the events that are not applied yet, and invalidates the rows that they name.
    fn apply_events(&self, listener: &mut Direct) -> Result<(), Broken> {
        loop {
            let (applied, hash) = {
                let registration = locked(&self.shared.registration);
                (registration.applied, registration.hash)
            };
            let sent = Reading::now();
            let (events, is_replicated) = self.timed(|| statements::events_after(listener, applied))?;
            if !Memory::is_continued(applied, hash, &events) {
                return Err(self.lose(
                    listener,
                    applied,
                    "its events do not follow the last one that this node has applied",
                ));
            }
            let is_complete = events.len() < statements::EVENTS;
            let newest = events.last().map(|last| (last.seq, Some(last.hash)));
            let (mut ids, mut is_every_row) = (Vec::new(), false);
            for event in events.iter().filter(|event| event.kind.is_none_or(|kind| kind.changes_rows())) {
                match event.token_id.or(event.user_id) {
                    Some(id) => ids.push(id),
                    None => is_every_row = true,
                }
            }
            self.shared.invalidations.invalidate(&ids);
            if is_every_row {
                self.shared.invalidations.invalidate_all();
            }
            let mut registration = locked(&self.shared.registration);
            if let Some(newest) = newest {
                (registration.applied, registration.hash) = newest;
            }
            registration.unproven.extend(events);
            if !is_replicated {
                self.remember(&mut registration);
            }
            if is_complete {
                registration.proved_at = Some(sent);
                return Ok(());
            }
        }
    }

    /// Remembers the events that were read. A lost change is applied again only if it may have been answered: where the
    /// server waits for standbys, once a later commit has proven that it was not canceled.
    fn remember(&self, registration: &mut Registration) {
        let events = std::mem::take(&mut registration.unproven);
        if !events.is_empty() {
            self.shared.memory.observe(&events);
        }
    }

    /// Goes back to the last event that is remembered; the database is asked again for those after it.
    fn forget_unproven(&self) {
        let mut registration = locked(&self.shared.registration);
        if let Some(first) = registration.unproven.first() {
            (registration.applied, registration.hash) = (first.seq - 1, Some(first.prev_hash));
            registration.unproven.clear();
        }
    }

    /// Acknowledges what is applied, renews, and applies what is newer; returns whether that must be acknowledged too.
    /// Registers the node if it is not.
    fn renew(&self, listener: &mut Direct, is_awaited: bool) -> Result<bool, Broken> {
        let (node, applied, hash, proved_at) = self.registered(listener)?;
        let sent = Reading::now();
        let renewal = self.timed(|| statements::renew(listener, node, applied, is_awaited))?;
        if !renewal.is_registered {
            tracing::warn!(%node, "this node was declared gone; it starts again with an empty memory");
            self.forget();
            return Ok(true);
        }
        if let Some(lost) = lost_history(applied, hash, &renewal) {
            return Err(self.lose(listener, applied, lost));
        }
        // SECURITY: a server that another connection knows to be replaced renews nothing.
        if !listener.session.is_current() {
            return Err(StoreError::Unavailable("the database is another server now".to_owned()).into());
        }
        self.shared.proofs.prove(listener.session.generation(), sent.steady);
        self.remember(&mut locked(&self.shared.registration));
        let is_newer = renewal.change_seq > applied;
        if is_newer {
            self.apply_events(listener)?;
        } else {
            let ChainHead { seq, hash } = renewal.head;
            let mut registration = locked(&self.shared.registration);
            (registration.applied, registration.hash) = (seq, Some(hash));
            registration.proved_at = Some(sent);
            locked(&self.shared.memory.history).advance(renewal.head);
        }
        // SECURITY: the lease runs from a moment before which every change is acknowledged, not only applied. Whoever waits
        // for a change that is not may remove the row of this node, and later changes do not wait for it.
        let Some(from) = (if is_newer { proved_at } else { Some(sent) }) else { return Ok(is_newer) };
        if self.shared.grant(from, self.generation) {
            self.shared.waiting.admit();
        }
        Ok(is_newer)
    }

    /// The node's row and what it has applied; registers the node first if it has no row on this server.
    fn registered(&self, listener: &mut Direct) -> Result<Registered, Broken> {
        let server = listener.session.generation();
        let known = {
            let registration = locked(&self.shared.registration);
            registration.node.map(|node| {
                let Registration { applied, hash, proved_at, server, .. } = *registration;
                (server, (node, applied, hash, proved_at))
            })
        };
        match known {
            Some((known, registered)) if known == server => return Ok(registered),
            // SECURITY: the events of another server may have the same numbers, although they are others.
            Some(_) => self.leave(listener),
            None => {}
        }
        // SECURITY: a new row acknowledges everything up to the head, so nothing older may be in memory.
        self.shared.end_lease();
        // SECURITY: what the database has lost is in force again before this node decides anything.
        let known = self.timed_within(SETTLE_LIMIT, || Ok(self.shared.settle(self.generation)?))?;
        let lease_ms = i32::try_from(self.shared.length.as_millis()).unwrap_or(i32::MAX);
        let sent = Reading::now();
        let (node, applied) = self.timed(|| {
            let registered = statements::register(listener, lease_ms);
            self.shared.invalidations.drop_all();
            registered
        })?;
        // It goes on to remember where it was; for rows in memory the events up to the head do not matter.
        let (applied, hash) = known.map_or((applied, None), |known| (known.seq, Some(known.hash)));
        let registration = Registration {
            node: Some(node),
            applied,
            hash,
            unproven: Vec::new(),
            proved_at: Some(sent),
            server,
        };
        *locked(&self.shared.registration) = registration;
        Ok((node, applied, hash, Some(sent)))
    }

    /// Ends the lease, forgets the node's row and drops everything.
    fn forget(&self) {
        self.shared.end_lease();
        self.shared.invalidations.drop_all();
        *locked(&self.shared.registration) = Registration::default();
    }

    /// Leaves a database that has lost what this node has applied. It is repaired before the node registers again.
    fn lose(&self, listener: &mut Direct, applied: i64, lost: &str) -> Broken {
        tracing::error!(applied, lost, "the database has lost changes");
        self.shared.memory.note_loss();
        self.leave(listener);
        self.forget();
        StoreError::Unavailable(format!("the database has lost changes: {lost}")).into()
    }

    /// Removes the node's row, so that nobody waits for this process.
    fn leave(&self, listener: &mut Direct) {
        self.shared.end_lease();
        let node = locked(&self.shared.registration).node.take();
        if let Some(node) = node
            && self.timed(|| statements::leave(listener, node)).is_err()
        {
            tracing::debug!("the row of this node may be left; the next change waits for it then");
        }
    }
}

/// Why the database cannot have what this node has applied: the failover to a standby, or a restored backup, lost it.
fn lost_history(applied: i64, hash: Option<[u8; 32]>, renewal: &Renewal) -> Option<&'static str> {
    if renewal.head.seq < applied {
        Some("its newest event is older than one that this node has applied")
    } else if hash.is_some() && applied > 0 && renewal.acked_hash != hash {
        Some("it has another event with the number of one that this node has applied")
    } else {
        None
    }
}
