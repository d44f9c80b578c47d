//! Buffers when each scope of a token was last used.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use hashbrown::HashTable;
use tokenry_domain::{Scope, TokenId, UnixMillis};
use tokenry_store::{Store, StoreError, usage::scopes::ScopeUse};

use super::sharded::Sharded;
use crate::{
    periodic::FlushOutcome,
    unwritten::{Taken, count},
};

/// The maximum number of scopes of tokens in one shard; further ones are dropped until there is room, within a minute.
const MAX_ENTRIES: usize = 10_000;
/// The maximum number in one shard after failed writes.
const MAX_REQUEUED: usize = 100_000;
/// How many are written in one transaction.
const BATCH: usize = 500;
/// A use within this span after the written one is not written.
const COALESCED: Duration = Duration::from_secs(60);

/// The latest use of each scope that is not written yet, and those of the last minute, for lookups.
#[derive(Default)]
pub(super) struct ScopeUses {
    hasher: RandomState,
    sharded: Sharded<HashTable<Entry>>,
    taken: Taken,
    /// The latest recorded instant, in milliseconds since 1970.
    newest: AtomicI64,
    /// What was written within the last minute, for all threads.
    written: Mutex<HashMap<(TokenId, Scope), UnixMillis>>,
}

struct Entry {
    hash: u64,
    token_id: TokenId,
    scope: Scope,
    at: UnixMillis,
    is_pending: bool,
}

impl ScopeUses {
    /// Records a use of a scope. If one was recorded within the minute, this costs only a lookup.
    pub(super) fn record(&self, token_id: TokenId, scope: &Scope, at: UnixMillis) {
        let hash = self.hasher.hash_one((token_id, scope));
        let mut stripe = self.sharded.mine();
        let has_room = stripe.len() < MAX_ENTRIES;
        match stripe
            .find_mut(hash, |used| used.hash == hash && used.token_id == token_id && used.scope == *scope)
        {
            Some(known) if at.since(known.at) < COALESCED => return,
            Some(known) => (known.at, known.is_pending) = (at, true),
            None if has_room => {
                let entry = Entry { hash, token_id, scope: scope.clone(), at, is_pending: true };
                stripe.insert_unique(hash, entry, |entry| entry.hash);
            }
            None => return,
        }
        self.newest.fetch_max(at.get(), Relaxed);
    }

    pub(super) fn write(&self, store: &Store) -> Result<FlushOutcome, StoreError> {
        let used = self.take();
        self.taken.add(count(used.len()));
        let mut left = FlushOutcome::Complete;
        for (index, batch) in used.chunks(BATCH).enumerate() {
            let rows = batch.to_vec();
            match store.write_bookkeeping(move |tx| tx.mark_scopes(&rows)) {
                Ok(held) => {
                    let (held, done): (Vec<_>, Vec<_>) =
                        batch.iter().partition(|used| held.contains(&used.token_id));
                    if !held.is_empty() {
                        left = FlushOutcome::Incomplete;
                        held.into_iter().for_each(|used| self.requeue(used));
                    }
                    self.written()
                        .extend(done.into_iter().map(|used| ((used.token_id, used.scope.clone()), used.at)));
                    self.taken.settle(count(batch.len()));
                }
                Err(error) => {
                    let rest = used.get(index * BATCH..).unwrap_or_default();
                    rest.iter().for_each(|used| self.requeue(used));
                    self.taken.settle(count(rest.len()));
                    return Err(error);
                }
            }
        }
        Ok(left)
    }

    /// How many uses of scopes are not written.
    pub(super) fn unwritten(&self) -> u64 {
        let pending = |stripe: &HashTable<Entry>| stripe.iter().filter(|entry| entry.is_pending).count();
        self.taken.get() + count(self.sharded.all().map(|stripe| pending(&stripe)).sum())
    }

    /// Takes what has to be written, sorted, each scope of a token once.
    fn take(&self) -> Vec<ScopeUse> {
        let newest = UnixMillis::new(self.newest.load(Relaxed)).unwrap_or(UnixMillis::MIN);
        let is_recent = |at: UnixMillis| newest.since(at) < COALESCED;
        let mut taken: HashMap<(TokenId, Scope), UnixMillis> = HashMap::new();
        for mut stripe in self.sharded.all() {
            stripe.retain(|entry| {
                if std::mem::take(&mut entry.is_pending) {
                    let at = taken.entry((entry.token_id, entry.scope.clone())).or_insert(entry.at);
                    *at = entry.at.max(*at);
                }
                is_recent(entry.at)
            });
            // Releases the memory of a flood.
            if stripe.len() * 8 < stripe.capacity() {
                let room = stripe.len() * 2;
                stripe.shrink_to(room, |entry| entry.hash);
            }
        }
        let mut written = self.written();
        written.retain(|_, at| is_recent(*at));
        let is_due = |key: &(TokenId, Scope), at: UnixMillis| {
            written.get(key).is_none_or(|before| at.since(*before) >= COALESCED)
        };
        let due = taken.into_iter().filter(|(key, at)| is_due(key, *at));
        let mut due: Vec<_> = due.map(|((token_id, scope), at)| ScopeUse { token_id, scope, at }).collect();
        due.sort_unstable();
        due
    }

    /// Puts back what could not be written.
    fn requeue(&self, used: &ScopeUse) {
        let ScopeUse { token_id, scope, at } = used;
        let hash = self.hasher.hash_one((token_id, scope));
        let mut stripe = self.sharded.mine();
        let has_room = stripe.len() < MAX_REQUEUED;
        match stripe
            .find_mut(hash, |used| used.hash == hash && used.token_id == *token_id && used.scope == *scope)
        {
            Some(known) => (known.at, known.is_pending) = (known.at.max(*at), true),
            None if has_room => {
                let entry =
                    Entry { hash, token_id: *token_id, scope: scope.clone(), at: *at, is_pending: true };
                stripe.insert_unique(hash, entry, |entry| entry.hash);
            }
            // An unavailable database must not fill the memory.
            None => {}
        }
    }

    fn written(&self) -> std::sync::MutexGuard<'_, HashMap<(TokenId, Scope), UnixMillis>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let taken = uses.take();
        uses.written().extend(taken.iter().map(|used| ((used.token_id, used.scope.clone()), used.at)));
        taken.into_iter().map(|used| (used.scope.to_string(), used.at)).collect()
    }

    #[test]
    fn a_scope_is_written_once_a_minute_for_all_threads() {
        let uses = ScopeUses::default();
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
        let uses = ScopeUses::default();
        uses.record(token(1), &scope("a:read"), at(100));
        let taken = uses.take();
        uses.record(token(1), &scope("a:read"), at(170));
        taken.iter().for_each(|used| uses.requeue(used));
        assert_eq!(written_uses(&uses), [("a:read".to_owned(), at(170))]);
        assert!(written_uses(&uses).is_empty());
    }

    #[test]
    fn memory_is_bounded_and_released() {
        let uses = ScopeUses::default();
        for number in 0..u16::try_from(MAX_ENTRIES + 500).unwrap() {
            uses.record(token(number), &scope("a:read"), at(0));
        }
        assert_eq!(written_uses(&uses).len(), MAX_ENTRIES);
        uses.record(token(0), &scope("a:read"), at(61));
        assert_eq!(written_uses(&uses).len(), 1);
        let room: usize = uses.sharded.all().map(|stripe| stripe.capacity()).sum();
        assert!(room < 1000 && uses.written().len() == 1, "{room}");
    }
}
