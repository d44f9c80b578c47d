//! Remembers which credentials this process refused as expired, so that they stay expired when the clock goes back: in
//! this process immediately and while the database is unavailable, on every node once the row is written, after the
//! response.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    mem::take,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use serde_json::Map;
use tokenry_domain::{Actor, ClientInfo, EventKind, Policy, PublicId, Token, TokenId, UnixMillis, UserId};
use tokenry_store::{Store, StoreError, cleanup, retired};

use crate::{
    audit::{AuditContext, append},
    unwritten::{Taken, count},
};

/// How many expiries of one kind are remembered individually.
const REMEMBERED: usize = 100_000;
/// How many may wait to be written; the next refusal of a credential that was left out tries again.
const WAITING: usize = 10_000;
/// How many are written in one transaction.
const BATCH: usize = 200;

/// Which credentials this process refused as expired.
pub(crate) struct Ends {
    policy: Policy,
    /// Secrets of tokens by their public ids, including retired secrets.
    pub(crate) secrets: Remembered<PublicId>,
    /// Digests of JWTs.
    #[cfg(feature = "jwt")]
    pub(crate) jwts: Remembered<[u8; 32]>,
    waiting: Mutex<Waiting>,
    taken: Taken,
}

/// Expiries that wait to be written.
#[derive(Default)]
struct Waiting {
    tokens: BTreeMap<TokenId, (PublicId, UnixMillis)>,
    retired: BTreeMap<PublicId, UnixMillis>,
}

impl Ends {
    pub(crate) fn under(policy: Policy) -> Self {
        Self {
            policy,
            secrets: Remembered::default(),
            #[cfg(feature = "jwt")]
            jwts: Remembered::default(),
            waiting: Mutex::default(),
            taken: Taken::default(),
        }
    }

    /// Remembers that a token was refused as expired at `at`, by a clock that is not known to be wrong.
    pub(crate) fn token_expired(&self, token: &Token, at: UnixMillis) {
        // Its row already marks it as expired at any instant.
        if self.policy.cutoffs(UnixMillis::MIN).is_expired(token) {
            return;
        }
        self.secrets.remember(token.public_id.clone(), at);
        let mut waiting = self.waiting();
        if waiting.tokens.len() < WAITING {
            waiting.tokens.entry(token.id).or_insert_with(|| (token.public_id.clone(), at));
        }
    }

    /// Remembers that a retired secret was refused at `at` because its grace has ended; `is_by_row` if the row says so,
    /// not only the current policy.
    pub(crate) fn grace_ended(&self, public_id: &PublicId, at: UnixMillis, is_by_row: bool) {
        self.secrets.remember(public_id.clone(), at);
        let mut waiting = self.waiting();
        if is_by_row && waiting.retired.len() < WAITING {
            waiting.retired.entry(public_id.clone()).or_insert(at);
        }
    }

    /// Writes what is pending. What fails stays pending.
    pub(crate) fn write(&self, store: &Store) -> Result<(), StoreError> {
        let Waiting { tokens, retired } = take(&mut *self.waiting());
        let tokens: Vec<_> = tokens.into_iter().collect();
        let retired: Vec<_> = retired.into_iter().collect();
        self.taken.add(count(tokens.len() + retired.len()));
        let mut written = Ok(());
        for batch in tokens.chunks(BATCH) {
            written = written.and_then(|()| self.write_tokens(store, batch));
            if written.is_err() {
                self.waiting().tokens.extend(batch.iter().cloned());
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
                Err(_) => self.waiting().retired.extend(batch.iter().cloned()),
            }
            self.taken.settle(count(batch.len()));
        }
        written
    }

    /// How many expiries are not written.
    pub(crate) fn unwritten(&self) -> u64 {
        let waiting = self.waiting();
        self.taken.get() + count(waiting.tokens.len() + waiting.retired.len())
    }

    fn write_tokens(
        &self,
        store: &Store,
        batch: &[(TokenId, (PublicId, UnixMillis))],
    ) -> Result<(), StoreError> {
        let Some(at) = batch.iter().map(|(_, (_, at))| *at).max() else { return Ok(()) };
        let cutoffs = self.policy.cutoffs(at);
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
        // A token that was locked at that moment stays in memory until the next refusal or cleanup writes it.
        for (id, (public_id, _)) in batch {
            if recorded.iter().any(|(recorded, _)| recorded == id) {
                self.secrets.forget(public_id);
            }
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The latest instant at which each credential was refused as expired. No credential is evaluated at an earlier
/// instant.
pub(crate) struct Remembered<K> {
    /// The latest instant of all: only a clock that is behind it went back and needs a lookup.
    newest: AtomicI64,
    known: Mutex<Known<K>>,
}

struct Known<K> {
    ends: HashMap<K, UnixMillis>,
    /// Covers what could not be remembered individually: no credential is evaluated at an earlier instant.
    floor: UnixMillis,
}

impl<K> Default for Remembered<K> {
    fn default() -> Self {
        let known = Known { ends: HashMap::new(), floor: UnixMillis::MIN };
        Self { newest: AtomicI64::new(0), known: Mutex::new(known) }
    }
}

impl<K: Eq + Hash> Remembered<K> {
    /// The instant at which a credential is evaluated: now, or the later instant at which it was refused.
    pub(crate) fn evaluation_instant(&self, now: UnixMillis, key: impl FnOnce() -> K) -> UnixMillis {
        if now.get() >= self.newest.load(Relaxed) {
            return now;
        }
        let known = self.known();
        let refused = known.ends.get(&key()).copied().unwrap_or(UnixMillis::MIN);
        now.max(refused).max(known.floor)
    }

    /// Remembers that a credential was refused at `at`. When there are too many, all credentials are evaluated at the
    /// latest of these instants from then on: with a clock that goes back this is too strict, but never too lax.
    pub(crate) fn remember(&self, key: K, at: UnixMillis) {
        let mut known = self.known();
        if known.ends.len() >= REMEMBERED && !known.ends.contains_key(&key) {
            known.floor = known.ends.values().copied().max().unwrap_or(at).max(known.floor);
            known.ends.clear();
        }
        let latest = known.ends.entry(key).or_insert(at);
        *latest = at.max(*latest);
        self.newest.fetch_max(at.get(), Relaxed);
    }

    fn forget(&self, key: &K) {
        self.known().ends.remove(key);
    }

    fn known(&self) -> MutexGuard<'_, Known<K>> {
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
    fn a_credential_is_evaluated_no_earlier_than_it_was_refused() {
        let ends = Remembered::default();
        assert_eq!(ends.evaluation_instant(at(5), || 1), at(5));
        ends.remember(1, at(100));
        ends.remember(1, at(50));
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
        let ends = Remembered::default();
        for number in 0..REMEMBERED + 10 {
            ends.remember(number, at(100));
        }
        assert_eq!(ends.known().ends.len(), 10);
        for key in [0, REMEMBERED - 1, REMEMBERED + 5] {
            assert_eq!(ends.evaluation_instant(at(5), || key), at(100));
        }
    }
}
