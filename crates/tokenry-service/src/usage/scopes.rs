//! When each scope of a token was last asked for.

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

/// How many scopes of tokens are known in one stripe; further ones are left out until there is room, which is a minute
/// later at the latest.
const KNOWN: usize = 10_000;
/// How many of those that could not be written wait again.
const WAITING: usize = 100_000;
/// How many share one transaction.
const BATCH: usize = 500;
/// A use this soon after the one that was written is not worth a write.
const COALESCED: Duration = Duration::from_secs(60);

/// The newest use of each scope that waits to be written, and those of the last minute, so that they are found again.
#[derive(Default)]
pub(super) struct ScopeUses {
    hasher: RandomState,
    sharded: Sharded<HashTable<Entry>>,
    taken: Taken,
    /// The newest instant that was noted, in milliseconds since 1970.
    newest: AtomicI64,
    /// What was written within the last minute, whichever thread noted it.
    written: Mutex<HashMap<(TokenId, Scope), UnixMillis>>,
}

struct Entry {
    hash: u64,
    token_id: TokenId,
    scope: Scope,
    at: UnixMillis,
    waits: bool,
}

impl ScopeUses {
    /// Notes that a scope was asked for. One that was noted within the minute costs a look-up and nothing else.
    pub(super) fn note(&self, token_id: TokenId, scope: &Scope, at: UnixMillis) {
        let hash = self.hasher.hash_one((token_id, scope));
        let mut stripe = self.sharded.mine();
        let has_room = stripe.len() < KNOWN;
        match stripe.find_mut(hash, |it| it.hash == hash && it.token_id == token_id && it.scope == *scope) {
            Some(known) if at.since(known.at) < COALESCED => return,
            Some(known) => (known.at, known.waits) = (at, true),
            None if has_room => {
                let entry = Entry { hash, token_id, scope: scope.clone(), at, waits: true };
                stripe.insert_unique(hash, entry, |entry| entry.hash);
            }
            None => return,
        }
        self.newest.fetch_max(at.get(), Relaxed);
    }

    pub(super) fn write(&self, store: &Store) -> Result<FlushOutcome, StoreError> {
        let used = self.take();
        self.taken.add(count(used.len()));
        let mut left = FlushOutcome::Nothing;
        for (index, batch) in used.chunks(BATCH).enumerate() {
            let rows = batch.to_vec();
            match store.write_bookkeeping(move |tx| tx.mark_scopes(&rows)) {
                Ok(held) => {
                    let (held, done): (Vec<_>, Vec<_>) =
                        batch.iter().partition(|it| held.contains(&it.token_id));
                    if !held.is_empty() {
                        left = FlushOutcome::Something;
                        held.into_iter().for_each(|it| self.requeue(it));
                    }
                    self.written()
                        .extend(done.into_iter().map(|it| ((it.token_id, it.scope.clone()), it.at)));
                    self.taken.settle(count(batch.len()));
                }
                Err(error) => {
                    let rest = used.get(index * BATCH..).unwrap_or_default();
                    rest.iter().for_each(|it| self.requeue(it));
                    self.taken.settle(count(rest.len()));
                    return Err(error);
                }
            }
        }
        Ok(left)
    }

    /// How many uses of scopes are not written.
    pub(super) fn unwritten(&self) -> u64 {
        let waiting = |stripe: &HashTable<Entry>| stripe.iter().filter(|entry| entry.waits).count();
        self.taken.get() + count(self.sharded.all().map(|stripe| waiting(&stripe)).sum())
    }

    /// What has to be written, sorted, each scope of a token once.
    fn take(&self) -> Vec<ScopeUse> {
        let newest = UnixMillis::new(self.newest.load(Relaxed)).unwrap_or(UnixMillis::MIN);
        let is_recent = |at: UnixMillis| newest.since(at) < COALESCED;
        let mut taken: HashMap<(TokenId, Scope), UnixMillis> = HashMap::new();
        for mut stripe in self.sharded.all() {
            stripe.retain(|entry| {
                if std::mem::take(&mut entry.waits) {
                    let at = taken.entry((entry.token_id, entry.scope.clone())).or_insert(entry.at);
                    *at = entry.at.max(*at);
                }
                is_recent(entry.at)
            });
            // Gives back what a flood took.
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

    /// Lets wait again what could not be written.
    fn requeue(&self, used: &ScopeUse) {
        let ScopeUse { token_id, scope, at } = used;
        let hash = self.hasher.hash_one((token_id, scope));
        let mut stripe = self.sharded.mine();
        let has_room = stripe.len() < WAITING;
        match stripe.find_mut(hash, |it| it.hash == hash && it.token_id == *token_id && it.scope == *scope) {
            Some(known) => (known.at, known.waits) = (known.at.max(*at), true),
            None if has_room => {
                let entry = Entry { hash, token_id: *token_id, scope: scope.clone(), at: *at, waits: true };
                stripe.insert_unique(hash, entry, |entry| entry.hash);
            }
            // A database that is away must not fill the memory.
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

    fn noted(uses: &ScopeUses) -> Vec<(String, UnixMillis)> {
        let taken = uses.take();
        uses.written().extend(taken.iter().map(|it| ((it.token_id, it.scope.clone()), it.at)));
        taken.into_iter().map(|it| (it.scope.to_string(), it.at)).collect()
    }

    #[test]
    fn a_scope_is_written_once_a_minute_whichever_threads_use_it() {
        let uses = ScopeUses::default();
        let mut writes = Vec::new();
        for second in 0..600 {
            std::thread::scope(|threads| {
                for _ in 0..3 {
                    threads.spawn(|| uses.note(token(1), &scope("a:read"), at(second)));
                }
            });
            writes.extend(noted(&uses));
        }
        writes.push((String::new(), at(600)));
        assert_eq!(writes[0], ("a:read".to_owned(), at(0)));
        let gaps: Vec<u64> = writes.windows(2).map(|pair| pair[1].1.since(pair[0].1).as_secs()).collect();
        let (last, others) = gaps.split_last().unwrap();
        // Another thread may have written shortly before this one noted its use.
        assert!(others.iter().all(|gap| (60..=120).contains(gap)) && *last <= 120, "{gaps:?}");
    }

    #[test]
    fn what_is_put_back_waits_again_and_never_goes_backward() {
        let uses = ScopeUses::default();
        uses.note(token(1), &scope("a:read"), at(100));
        let taken = uses.take();
        uses.note(token(1), &scope("a:read"), at(170));
        taken.iter().for_each(|it| uses.requeue(it));
        assert_eq!(noted(&uses), [("a:read".to_owned(), at(170))]);
        assert!(noted(&uses).is_empty());
    }

    #[test]
    fn memory_is_bounded_and_room_is_given_back() {
        let uses = ScopeUses::default();
        for number in 0..u16::try_from(KNOWN + 500).unwrap() {
            uses.note(token(number), &scope("a:read"), at(0));
        }
        assert_eq!(noted(&uses).len(), KNOWN);
        uses.note(token(0), &scope("a:read"), at(61));
        assert_eq!(noted(&uses).len(), 1);
        let room: usize = uses.sharded.all().map(|stripe| stripe.capacity()).sum();
        assert!(room < 1000 && uses.written().len() == 1, "{room}");
    }
}
