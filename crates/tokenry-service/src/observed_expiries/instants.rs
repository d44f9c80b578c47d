//! Remembers when each credential was last rejected as expired.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use tokenry_domain::UnixMillis;

/// How many credentials are remembered individually.
const MAX_REMEMBERED: usize = 100_000;

/// The latest instant at which each credential was rejected as expired. No credential is evaluated at an earlier
/// instant.
pub(crate) struct RejectionInstants<K> {
    /// The latest instant of all: only a clock that is behind it went back and needs a lookup.
    newest: AtomicI64,
    instants: Mutex<Instants<K>>,
}

struct Instants<K> {
    latest: HashMap<K, UnixMillis>,
    /// Covers what could not be remembered individually: no credential is evaluated at an earlier instant.
    floor: UnixMillis,
}

impl<K> Default for RejectionInstants<K> {
    fn default() -> Self {
        let instants = Instants { latest: HashMap::new(), floor: UnixMillis::MIN };
        Self { newest: AtomicI64::new(0), instants: Mutex::new(instants) }
    }
}

impl<K: Eq + Hash> RejectionInstants<K> {
    /// The instant at which a credential is evaluated: now, or the later instant at which it was rejected.
    pub(crate) fn evaluation_instant(&self, now: UnixMillis, key: impl FnOnce() -> K) -> UnixMillis {
        if now.get() >= self.newest.load(Relaxed) {
            return now;
        }
        let instants = self.lock();
        let rejected = instants.latest.get(&key()).copied().unwrap_or(UnixMillis::MIN);
        now.max(rejected).max(instants.floor)
    }

    /// Remembers that a credential was rejected at `at`. When there are too many, all credentials are evaluated at the
    /// latest of these instants from then on: with a clock that goes back this is too strict, but never too lax.
    pub(crate) fn record(&self, key: K, at: UnixMillis) {
        let mut instants = self.lock();
        if instants.latest.len() >= MAX_REMEMBERED && !instants.latest.contains_key(&key) {
            instants.floor = instants.latest.values().copied().max().unwrap_or(at).max(instants.floor);
            instants.latest.clear();
        }
        let latest = instants.latest.entry(key).or_insert(at);
        *latest = at.max(*latest);
        self.newest.fetch_max(at.get(), Relaxed);
    }

    pub(super) fn forget(&self, key: &K) {
        self.lock().latest.remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, Instants<K>> {
        self.instants.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert_eq!(ends.lock().latest.len(), 10);
        for key in [0, MAX_REMEMBERED - 1, MAX_REMEMBERED + 5] {
            assert_eq!(ends.evaluation_instant(at(5), || key), at(100));
        }
    }
}
