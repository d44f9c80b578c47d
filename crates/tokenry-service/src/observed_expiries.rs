//! Remembers which credentials this process rejected as expired, so that they stay expired when the clock goes back: in
//! this process immediately and while the database is unavailable, on every node once the row is written, after the
//! response.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    mem::take,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use serde_json::Map;
use tokenry_domain::{Actor, ClientInfo, EventKind, PublicId, Token, TokenId, UnixMillis, UserId};
use tokenry_store::{Store, StoreError, cleanup, retired};

use crate::{
    audit::{AuditContext, append},
    rules::Rules,
    unwritten::{Taken, count},
};

/// How many expiries of one kind are remembered individually.
const MAX_REMEMBERED: usize = 100_000;
/// How many may wait to be written; the next rejection of a credential that was left out tries again.
const MAX_PENDING: usize = 10_000;
/// How many are written in one transaction.
const BATCH: usize = 200;

/// Which credentials this process rejected as expired.
pub(crate) struct ObservedExpiries {
    rules: Arc<Rules>,
    /// Secrets of tokens by their public ids, including retired secrets.
    pub(crate) secrets: RejectionInstants<PublicId>,
    /// Digests of JWTs.
    #[cfg(feature = "jwt")]
    pub(crate) jwts: RejectionInstants<[u8; 32]>,
    pending: Mutex<PendingExpiries>,
    taken: Taken,
}

/// Expiries that wait to be written.
#[derive(Default)]
struct PendingExpiries {
    tokens: BTreeMap<TokenId, (PublicId, UnixMillis)>,
    retired: BTreeMap<PublicId, UnixMillis>,
}

impl ObservedExpiries {
    pub(crate) fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            secrets: RejectionInstants::default(),
            #[cfg(feature = "jwt")]
            jwts: RejectionInstants::default(),
            pending: Mutex::default(),
            taken: Taken::default(),
        }
    }

    /// Remembers that a token was rejected as expired at `at`, by a clock that is not known to be wrong.
    pub(crate) fn record_token(&self, token: &Token, at: UnixMillis) {
        // Its row already marks it as expired at any instant.
        if self.rules.cutoffs(UnixMillis::MIN).is_expired(token) {
            return;
        }
        self.secrets.record(token.public_id.clone(), at);
        let mut pending = self.pending();
        if pending.tokens.len() < MAX_PENDING {
            pending.tokens.entry(token.id).or_insert_with(|| (token.public_id.clone(), at));
        }
    }

    /// Remembers that a retired secret was rejected at `at` because its grace has ended; `is_by_row` if the row says so,
    /// not only the current policy.
    pub(crate) fn record_retired(&self, public_id: &PublicId, at: UnixMillis, is_by_row: bool) {
        self.secrets.record(public_id.clone(), at);
        let mut pending = self.pending();
        if is_by_row && pending.retired.len() < MAX_PENDING {
            pending.retired.entry(public_id.clone()).or_insert(at);
        }
    }

    /// Writes what is pending. What fails stays pending.
    pub(crate) fn write(&self, store: &Store) -> Result<(), StoreError> {
        let PendingExpiries { tokens, retired } = take(&mut *self.pending());
        let tokens: Vec<_> = tokens.into_iter().collect();
        let retired: Vec<_> = retired.into_iter().collect();
        self.taken.add(count(tokens.len() + retired.len()));
        let mut written = Ok(());
        for batch in tokens.chunks(BATCH) {
            written = written.and_then(|()| self.write_tokens(store, batch));
            if written.is_err() {
                self.pending().tokens.extend(batch.iter().cloned());
            }
            self.taken.settle(count(batch.len()));
        }
        for batch in retired.chunks(BATCH) {
            let rows = batch.to_vec();
            let end = |rows: Vec<(PublicId, UnixMillis)>| {
                store.write(move |tx| {
                    rows.iter()
                        .try_for_each(|(public_id, at)| retired::end_expired(tx, public_id, *at).map(drop))
                })
            };
            written = written.and_then(|()| end(rows));
            match &written {
                Ok(()) => batch.iter().for_each(|(public_id, _)| self.secrets.forget(public_id)),
                Err(_) => self.pending().retired.extend(batch.iter().cloned()),
            }
            self.taken.settle(count(batch.len()));
        }
        written
    }

    /// How many expiries are not written.
    pub(crate) fn unwritten(&self) -> u64 {
        let pending = self.pending();
        self.taken.get() + count(pending.tokens.len() + pending.retired.len())
    }

    fn write_tokens(
        &self,
        store: &Store,
        batch: &[(TokenId, (PublicId, UnixMillis))],
    ) -> Result<(), StoreError> {
        let Some(at) = batch.iter().map(|(_, (_, at))| *at).max() else { return Ok(()) };
        let cutoffs = self.rules.cutoffs(at);
        let ids: Vec<TokenId> = batch.iter().map(|(id, _)| *id).collect();
        let recorded = store.write(move |tx| {
            let audit = AuditContext { actor: Actor::System, at, client: ClientInfo::default() };
            let recorded = cleanup::take_expired(tx, &cutoffs, &ids)?;
            let event = |(token, owner): &(TokenId, UserId)| {
                audit.event(EventKind::TokenExpired, Some(*owner), Some(*token), Map::new())
            };
            append(tx, &recorded.iter().map(event).collect::<Vec<_>>())?;
            Ok::<_, StoreError>(recorded)
        })?;
        // A token that was locked at that moment stays in memory until the next rejection or cleanup writes it.
        for (id, (public_id, _)) in batch {
            if recorded.iter().any(|(recorded, _)| recorded == id) {
                self.secrets.forget(public_id);
            }
        }
        Ok(())
    }

    fn pending(&self) -> MutexGuard<'_, PendingExpiries> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The latest instant at which each credential was rejected as expired. No credential is evaluated at an earlier
/// instant.
pub(crate) struct RejectionInstants<K> {
    /// The latest instant of all: only a clock that is behind it went back and needs a lookup.
    newest: AtomicI64,
    known: Mutex<Instants<K>>,
}

struct Instants<K> {
    latest: HashMap<K, UnixMillis>,
    /// Covers what could not be remembered individually: no credential is evaluated at an earlier instant.
    floor: UnixMillis,
}

impl<K> Default for RejectionInstants<K> {
    fn default() -> Self {
        let known = Instants { latest: HashMap::new(), floor: UnixMillis::MIN };
        Self { newest: AtomicI64::new(0), known: Mutex::new(known) }
    }
}

impl<K: Eq + Hash> RejectionInstants<K> {
    /// The instant at which a credential is evaluated: now, or the later instant at which it was rejected.
    pub(crate) fn evaluation_instant(&self, now: UnixMillis, key: impl FnOnce() -> K) -> UnixMillis {
        if now.get() >= self.newest.load(Relaxed) {
            return now;
        }
        let known = self.known();
        let rejected = known.latest.get(&key()).copied().unwrap_or(UnixMillis::MIN);
        now.max(rejected).max(known.floor)
    }

    /// Remembers that a credential was rejected at `at`. When there are too many, all credentials are evaluated at the
    /// latest of these instants from then on: with a clock that goes back this is too strict, but never too lax.
    pub(crate) fn record(&self, key: K, at: UnixMillis) {
        let mut known = self.known();
        if known.latest.len() >= MAX_REMEMBERED && !known.latest.contains_key(&key) {
            known.floor = known.latest.values().copied().max().unwrap_or(at).max(known.floor);
            known.latest.clear();
        }
        let latest = known.latest.entry(key).or_insert(at);
        *latest = at.max(*latest);
        self.newest.fetch_max(at.get(), Relaxed);
    }

    fn forget(&self, key: &K) {
        self.known().latest.remove(key);
    }

    fn known(&self) -> MutexGuard<'_, Instants<K>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> UnixMillis {
        UnixMillis::new(millis).unwrap()
    }

    #[test]
    fn a_credential_is_evaluated_no_earlier_than_it_was_rejected() {
        let ends = RejectionInstants::default();
        assert_eq!(ends.evaluation_instant(at(5), || 1), at(5));
        ends.record(1, at(100));
        ends.record(1, at(50));
        assert_eq!(ends.evaluation_instant(at(5), || 1), at(100));
        assert_eq!(
            (ends.evaluation_instant(at(5), || 2), ends.evaluation_instant(at(200), || 1)),
            (at(5), at(200))
        );
        ends.forget(&1);
        assert_eq!(ends.evaluation_instant(at(5), || 1), at(5));
    }

    #[test]
    fn memory_is_bounded_and_when_full_forgets_no_expiry() {
        let ends = RejectionInstants::default();
        for number in 0..MAX_REMEMBERED + 10 {
            ends.record(number, at(100));
        }
        assert_eq!(ends.known().latest.len(), 10);
        for key in [0, MAX_REMEMBERED - 1, MAX_REMEMBERED + 5] {
            assert_eq!(ends.evaluation_instant(at(5), || key), at(100));
        }
    }
}
