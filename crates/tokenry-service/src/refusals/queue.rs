//! Refused requests in the audit log: counted, and written once a minute for each source and token.

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
    periodic::{Behind, FlushOutcome, Periodic, UNIT_WAIT},
    unwritten::Taken,
};

/// How often the counts are written. After `kill -9` at most the last interval is lost.
const INTERVAL: Duration = Duration::from_secs(60);
/// How many different refusals of each kind are told apart in one interval; all further ones are counted together, so
/// that a flood of wrong credentials does not hide who was forbidden something.
const KINDS: usize = 256;

pub(crate) struct Refusals {
    waiting: Arc<Waiting>,
    _thread: Periodic,
}

/// What waits to be written.
struct Waiting {
    store: Store,
    counts: Mutex<HashMap<Key, RefusalCount>>,
    taken: Taken,
}

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) kind: EventKind,
    pub(super) source: Option<IpAddr>,
    pub(super) user_id: Option<UserId>,
    pub(super) token_id: Option<TokenId>,
    pub(super) code: &'static str,
}

#[derive(Clone, Copy)]
struct RefusalCount {
    count: u64,
    first: UnixMillis,
    last: UnixMillis,
}

impl Refusals {
    pub(crate) fn start(store: Store) -> Result<Self, StoreError> {
        let workers = store.workers().clone();
        let waiting = Arc::new(Waiting::of(store));
        let thread = Periodic::start(&workers, "refusals", INTERVAL, waiting.clone())?;
        Ok(Self { waiting, _thread: thread })
    }

    /// Writes all that waits. What was not written waits on.
    pub(crate) fn write(&self) -> Result<(), StoreError> {
        self.waiting.append()
    }

    /// How many refused requests are not written.
    pub(crate) fn unwritten(&self) -> u64 {
        self.waiting.unwritten()
    }

    pub(super) fn count(&self, key: Key, now: UnixMillis) {
        self.waiting.add(key, RefusalCount { count: 1, first: now, last: now });
    }
}

impl Waiting {
    fn of(store: Store) -> Self {
        let store = store.waiting_at_most(UNIT_WAIT);
        Self { store, counts: Mutex::default(), taken: Taken::default() }
    }

    fn add(&self, key: Key, tally: RefusalCount) {
        let mut counts = self.counts();
        let is_known = counts.contains_key(&key);
        let key = match key {
            // A flood of what is nobody's must not hide what happens to somebody's token.
            Key { kind, code, token_id, .. }
                if !is_known
                    && counts
                        .keys()
                        .filter(|known| (known.kind, known.token_id.is_some()) == (kind, token_id.is_some()))
                        .count()
                        >= KINDS =>
            {
                Key { kind, source: None, user_id: None, token_id: None, code }
            }
            key => key,
        };
        let sum = counts.entry(key).or_insert(RefusalCount { count: 0, ..tally });
        sum.count += tally.count;
        sum.first = sum.first.min(tally.first);
        sum.last = sum.last.max(tally.last);
    }

    fn append(&self) -> Result<(), StoreError> {
        let taken: Vec<(Key, RefusalCount)> = {
            let mut counts = self.counts();
            let taken: Vec<_> = std::mem::take(&mut *counts).into_iter().collect();
            self.taken.add(taken.iter().map(|(_, tally)| tally.count).sum());
            taken
        };
        if taken.is_empty() {
            return Ok(());
        }
        let events: Vec<AuditEvent> = taken.iter().map(|(key, tally)| event(key, tally)).collect();
        let written = self.store.write_bookkeeping(move |tx| tx.append(&events, tokenry_crypto::link));
        for (key, tally) in taken {
            if written.is_err() {
                self.add(key, tally);
            }
            self.taken.settle(tally.count);
        }
        written
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Key, RefusalCount>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Behind for Arc<Waiting> {
    fn write(&self, _: &dyn Fn() -> bool) -> Result<FlushOutcome, StoreError> {
        self.append().map(|()| FlushOutcome::Nothing)
    }

    fn unwritten(&self) -> u64 {
        self.taken.get() + self.counts().values().map(|tally| tally.count).sum::<u64>()
    }
}

fn event(key: &Key, tally: &RefusalCount) -> AuditEvent {
    let audit = AuditContext {
        actor: Actor::System,
        at: tally.last,
        client: ClientInfo::new(key.source, None, None),
    };
    let fields = detail([
        ("reason", Value::from(key.code)),
        ("count", Value::from(tally.count)),
        ("first_at", Value::from(tally.first.to_string())),
        ("last_at", Value::from(tally.last.to_string())),
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

    fn once(seconds: i64) -> RefusalCount {
        RefusalCount { count: 1, first: at(seconds * 1000), last: at(seconds * 1000) }
    }

    fn told(db: &TestDatabase) -> Vec<(u64, UnixMillis)> {
        let links = db.store().read(|tx| audit::search(tx, &AuditFilter::default(), None, 500)).unwrap();
        let mut told: Vec<_> = links
            .iter()
            .map(|link| (link.event.detail.get("count").unwrap().as_u64().unwrap(), link.event.at))
            .collect();
        told.sort_unstable();
        told
    }

    each_backend!(what_the_database_does_not_take_is_kept_within_bounds_and_written_later, |db| {
        let waiting = Arc::new(Waiting::of(db.store().clone()));
        (1..=3).for_each(|second| waiting.add(key("invalid_token", 1), once(second)));
        let held = db.hold_writes();
        for round in 1..=2 {
            assert!(matches!(waiting.write(&|| false), Err(StoreError::Unavailable(_))));
            waiting.add(key("invalid_token", 1), once(round * 10));
        }
        drop(held);
        assert_eq!(waiting.write(&|| false).unwrap(), FlushOutcome::Nothing);
        assert_eq!(told(db), [(5, at(20_000))]);
        // Written once, and nothing waits.
        assert_eq!(waiting.write(&|| false).unwrap(), FlushOutcome::Nothing);
        assert_eq!(told(db).len(), 1);

        // A flood while the database is away fills neither the memory nor, afterwards, the log.
        let held = db.hold_writes();
        for source in 0..=255 {
            for code in ["revoked_token", "expired_token"] {
                waiting.add(key(code, source), once(30));
            }
            if source % 100 == 0 {
                assert!(waiting.write(&|| false).is_err());
            }
        }
        drop(held);
        waiting.write(&|| false).unwrap();
        let told = told(db);
        assert!(told.len() <= KINDS + 3, "{}", told.len());
        assert_eq!(told.iter().map(|(count, _)| count).sum::<u64>(), 5 + 512);
    });
}
