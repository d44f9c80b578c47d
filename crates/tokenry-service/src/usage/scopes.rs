//! Buffers when each scope of a token was last used.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokenry_domain::{Scope, TokenId, UnixMillis};
use tokenry_store::{Store, StoreError, usage::scopes::ScopeUse};

use crate::{coalescer::Coalescer, periodic::FlushOutcome};

/// The maximum number of scopes of tokens; further ones are dropped until there is room, within a minute.
const MAX_ENTRIES: usize = 160_000;
/// How many are written in one transaction.
const BATCH: usize = 500;
/// A use within this span after the written one is not written.
const COALESCED: Duration = Duration::from_secs(60);

/// A scope of a token.
type TokenScope = (TokenId, Scope);

/// The latest use of each scope that is not written yet, and those of the last minute, for lookups.
pub(super) struct ScopeUses {
    uses: Coalescer<TokenScope, UnixMillis>,
    max_entries: usize,
    /// The latest recorded instant, in milliseconds since 1970.
    newest: AtomicI64,
    /// What was written within the last minute, for all threads.
    last_written: Mutex<HashMap<TokenScope, UnixMillis>>,
}

impl ScopeUses {
    pub(super) fn new() -> Self {
        Self::bounded(MAX_ENTRIES)
    }

    fn bounded(max_entries: usize) -> Self {
        let uses = Coalescer::new(max_entries);
        Self { uses, max_entries, newest: AtomicI64::new(0), last_written: Mutex::default() }
    }

    /// Records a use of a scope. If one was recorded within the minute, this costs only a lookup.
    pub(super) fn record(&self, token_id: TokenId, scope: &Scope, at: UnixMillis) {
        let hash = self.uses.hash((token_id, scope));
        let mut table = self.uses.lock();
        match table.find(hash, |(known_id, known)| *known_id == token_id && known == scope) {
            Some(entry) if at.since(*entry.value()) < COALESCED => return,
            Some(entry) => entry.merge(at),
            None if self.uses.keys() < self.max_entries => table.insert(hash, (token_id, scope.clone()), at),
            None => return,
        }
        self.newest.fetch_max(at.get(), Relaxed);
    }

    pub(super) fn write(&self, store: &Store) -> Result<FlushOutcome, StoreError> {
        self.flush(|rows| store.write_bookkeeping(move |tx| tx.mark_scopes(&rows)))
    }

    /// Passes what has to be written to `write`, which returns the tokens that are locked by another transaction.
    fn flush(
        &self,
        mut write: impl FnMut(Vec<ScopeUse>) -> Result<HashSet<TokenId>, StoreError>,
    ) -> Result<FlushOutcome, StoreError> {
        let newest = UnixMillis::new(self.newest.load(Relaxed)).unwrap_or(UnixMillis::MIN);
        self.last_written().retain(|_, at| is_within(*at, newest));
        self.uses.flush(
            BATCH,
            |_, at| is_within(*at, newest),
            |batch| {
                let due = self.due(batch);
                if due.is_empty() {
                    return Ok(Vec::new());
                }
                let locked = write(due.iter().cloned().map(row).collect())?;
                let (retried, done): (Vec<_>, Vec<_>) =
                    due.into_iter().partition(|((token_id, _), _)| locked.contains(token_id));
                self.last_written().extend(done);
                Ok(retried)
            },
        )
    }

    /// How many uses of scopes are not written.
    pub(super) fn unwritten(&self) -> u64 {
        self.uses.unwritten()
    }

    /// The uses that no thread has written within the last minute.
    fn due(&self, uses: &[(TokenScope, UnixMillis)]) -> Vec<(TokenScope, UnixMillis)> {
        let last_written = self.last_written();
        let is_due = |(key, at): &&(TokenScope, UnixMillis)| {
            last_written.get(key).is_none_or(|before| !is_within(*before, *at))
        };
        uses.iter().filter(is_due).cloned().collect()
    }

    fn last_written(&self) -> MutexGuard<'_, HashMap<TokenScope, UnixMillis>> {
        self.last_written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row(((token_id, scope), at): (TokenScope, UnixMillis)) -> ScopeUse {
    ScopeUse { token_id, scope, at }
}

/// Whether a use at `later` is not written after one at `at`.
fn is_within(at: UnixMillis, later: UnixMillis) -> bool {
    later.since(at) < COALESCED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> UnixMillis {
        UnixMillis::new(second * 1000).unwrap()
    }

    fn token(number: u16) -> TokenId {
        let [high, low] = number.to_be_bytes();
        TokenId::new(UnixMillis::MIN, [0, 0, 0, 0, 0, 0, 0, 0, high, low])
    }

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    fn written_uses(uses: &ScopeUses) -> Vec<(String, UnixMillis)> {
        let mut written = Vec::new();
        uses.flush(|rows| {
            written.extend(rows.into_iter().map(|used| (used.scope.to_string(), used.at)));
            Ok(HashSet::new())
        })
        .unwrap();
        written
    }

    #[test]
    fn a_scope_is_written_once_a_minute_for_all_threads() {
        let uses = ScopeUses::new();
        let mut writes = Vec::new();
        for second in 0..600 {
            std::thread::scope(|threads| {
                for _ in 0..3 {
                    threads.spawn(|| uses.record(token(1), &scope("a:read"), at(second)));
                }
            });
            writes.extend(written_uses(&uses));
        }
        writes.push((String::new(), at(600)));
        assert_eq!(writes[0], ("a:read".to_owned(), at(0)));
        let gaps: Vec<u64> = writes.windows(2).map(|pair| pair[1].1.since(pair[0].1).as_secs()).collect();
        let (last, others) = gaps.split_last().unwrap();
        // Another thread may have written shortly before this one recorded its use.
        assert!(others.iter().all(|gap| (60..=120).contains(gap)) && *last <= 120, "{gaps:?}");
    }

    #[test]
    fn a_requeued_use_is_pending_again_and_never_goes_backward() {
        let uses = ScopeUses::new();
        uses.record(token(1), &scope("a:read"), at(100));
        let failed = uses.flush(|_| {
            uses.record(token(1), &scope("a:read"), at(170));
            Err(StoreError::Unavailable("for this test".to_owned()))
        });
        assert!(failed.is_err());
        assert_eq!(uses.unwritten(), 1);
        assert_eq!(written_uses(&uses), [("a:read".to_owned(), at(170))]);
        assert!(written_uses(&uses).is_empty());
    }

    #[test]
    fn memory_is_bounded_and_released() {
        let uses = ScopeUses::bounded(10_000);
        (0..10_500).for_each(|number| uses.record(token(number), &scope("a:read"), at(0)));
        assert_eq!(written_uses(&uses).len(), 10_000);
        uses.record(token(0), &scope("a:read"), at(61));
        assert_eq!(written_uses(&uses).len(), 1);
        let room = uses.uses.capacity();
        assert!(room < 1000 && uses.last_written().len() == 1, "{room}");
    }
}
