//! Counts rejected requests and writes them to the audit log once a minute, one entry per source and token.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokenry_domain::{Actor, AuditEvent, ClientInfo, EventKind, TokenId, UnixMillis, UserId};
use tokenry_store::{Store, StoreError};

use crate::{
    audit::{AuditContext, detail},
    periodic::{Buffer, FlushOutcome, Periodic, UNIT_WAIT},
    unwritten::Taken,
};

/// How often the counts are written. After `kill -9` at most the last interval is lost.
const INTERVAL: Duration = Duration::from_secs(60);
/// How many different rejections of each kind have an entry of their own per interval; all further ones are counted
/// together. The limit is per kind, so that a flood of wrong credentials does not hide forbidden requests.
const MAX_KEYS: usize = 256;

pub(crate) struct RejectionLog {
    pending: Arc<Pending>,
    _thread: Periodic,
}

/// Counts that wait to be written.
struct Pending {
    store: Store,
    counts: Mutex<HashMap<Key, RejectionCount>>,
    taken: Taken,
}

/// Rejections with an equal key are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) kind: EventKind,
    pub(super) source: Option<IpAddr>,
    pub(super) user_id: Option<UserId>,
    pub(super) token_id: Option<TokenId>,
    pub(super) code: &'static str,
}

#[derive(Clone, Copy)]
struct RejectionCount {
    count: u64,
    first: UnixMillis,
    last: UnixMillis,
}

impl RejectionLog {
    pub(crate) fn start(store: Store) -> Result<Self, StoreError> {
        let workers = store.workers().clone();
        let pending = Arc::new(Pending::of(store));
        let thread = Periodic::start(&workers, "rejections", INTERVAL, pending.clone())?;
        Ok(Self { pending, _thread: thread })
    }

    /// Writes what is pending. What fails stays pending.
    pub(crate) fn write(&self) -> Result<(), StoreError> {
        self.pending.append()
    }

    /// How many rejected requests are not written.
    pub(crate) fn unwritten(&self) -> u64 {
        self.pending.unwritten()
    }

    pub(super) fn count(&self, key: Key, now: UnixMillis) {
        self.pending.add(key, RejectionCount { count: 1, first: now, last: now });
    }
}

impl Pending {
    fn of(store: Store) -> Self {
        let store = store.waiting_at_most(UNIT_WAIT);
        Self { store, counts: Mutex::default(), taken: Taken::default() }
    }

    fn add(&self, key: Key, rejected: RejectionCount) {
        let mut counts = self.counts();
        let is_known = counts.contains_key(&key);
        let key = match key {
            // Rejections with and without a token are limited separately, so that a flood of unknown credentials does not
            // hide what happens to a token.
            Key { kind, code, token_id, .. }
                if !is_known
                    && counts
                        .keys()
                        .filter(|known| (known.kind, known.token_id.is_some()) == (kind, token_id.is_some()))
                        .count()
                        >= MAX_KEYS =>
            {
                Key { kind, source: None, user_id: None, token_id: None, code }
            }
            key => key,
        };
        let sum = counts.entry(key).or_insert(RejectionCount { count: 0, ..rejected });
        sum.count += rejected.count;
        sum.first = sum.first.min(rejected.first);
        sum.last = sum.last.max(rejected.last);
    }

    fn append(&self) -> Result<(), StoreError> {
        let taken: Vec<(Key, RejectionCount)> = {
            let mut counts = self.counts();
            let taken: Vec<_> = std::mem::take(&mut *counts).into_iter().collect();
            self.taken.add(taken.iter().map(|(_, rejected)| rejected.count).sum());
            taken
        };
        if taken.is_empty() {
            return Ok(());
        }
        let events: Vec<AuditEvent> = taken.iter().map(|(key, rejected)| event(key, rejected)).collect();
        let written =
            self.store.write_bookkeeping(move |tx| tx.append(&events, tokenry_crypto::chain_digest));
        for (key, rejected) in taken {
            if written.is_err() {
                self.add(key, rejected);
            }
            self.taken.settle(rejected.count);
        }
        written
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Key, RejectionCount>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer for Arc<Pending> {
    fn write(&self, _: &dyn Fn() -> bool) -> Result<FlushOutcome, StoreError> {
        self.append().map(|()| FlushOutcome::Complete)
    }

    fn unwritten(&self) -> u64 {
        self.taken.get() + self.counts().values().map(|rejected| rejected.count).sum::<u64>()
    }
}

fn event(key: &Key, rejected: &RejectionCount) -> AuditEvent {
    let client = ClientInfo::new(key.source, None, None);
    let audit = AuditContext::new(Actor::System, rejected.last, client);
    let fields = detail([
        ("reason", Value::from(key.code)),
        ("count", Value::from(rejected.count)),
        ("first_at", Value::from(rejected.first.to_string())),
        ("last_at", Value::from(rejected.last.to_string())),
    ]);
    audit.event(key.kind, key.user_id, key.token_id, fields)
}

#[cfg(test)]
mod tests {
    use tokenry_store::audit::{self, AuditFilter};
    use tokenry_testkit::{TestDatabase, at, each_backend};

    use super::*;

    fn key(code: &'static str, source: u8) -> Key {
        let source = Some(IpAddr::from([192, 0, 2, source]));
        Key { kind: EventKind::RequestFailed, source, user_id: None, token_id: None, code }
    }

    fn once(seconds: i64) -> RejectionCount {
        RejectionCount { count: 1, first: at(seconds * 1000), last: at(seconds * 1000) }
    }

    fn recorded(db: &TestDatabase) -> Vec<(u64, UnixMillis)> {
        let links = db.store().read(|tx| audit::search(tx, &AuditFilter::default(), None, 500)).unwrap();
        let mut recorded: Vec<_> = links
            .iter()
            .map(|link| (link.event.detail.get("count").unwrap().as_u64().unwrap(), link.event.at))
            .collect();
        recorded.sort_unstable();
        recorded
    }

    each_backend!(a_failed_write_is_kept_within_bounds_and_written_later, |db| {
        let pending = Arc::new(Pending::of(db.store().clone()));
        (1..=3).for_each(|second| pending.add(key("invalid_token", 1), once(second)));
        let held = db.lock_writes();
        for round in 1..=2 {
            assert!(matches!(pending.write(&|| false), Err(StoreError::Unavailable(_))));
            pending.add(key("invalid_token", 1), once(round * 10));
        }
        drop(held);
        assert_eq!(pending.write(&|| false).unwrap(), FlushOutcome::Complete);
        assert_eq!(recorded(db), [(5, at(20_000))]);
        // Written once; nothing is pending.
        assert_eq!(pending.write(&|| false).unwrap(), FlushOutcome::Complete);
        assert_eq!(recorded(db).len(), 1);

        // A flood while the database is unavailable fills neither the memory nor, afterwards, the log.
        let held = db.lock_writes();
        for source in 0..=255 {
            for code in ["revoked_token", "expired_token"] {
                pending.add(key(code, source), once(30));
            }
            if source % 100 == 0 {
                assert!(pending.write(&|| false).is_err());
            }
        }
        drop(held);
        pending.write(&|| false).unwrap();
        let recorded = recorded(db);
        assert!(recorded.len() <= MAX_KEYS + 3, "{}", recorded.len());
        assert_eq!(recorded.iter().map(|(count, _)| count).sum::<u64>(), 5 + 512);
    });
}
