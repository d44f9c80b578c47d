//! Counts uses in memory until they are written.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use tokenry_domain::{Bucket, TokenId, UnixMillis, UsageCount, UsageKey};

use super::details::Details;
use crate::coalescer::{Coalesce, Coalescer, LockedTable, weight};

/// The limits of what is pending.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Different keys; further ones lose their details, and beyond twice as many uses are dropped.
    pub(super) keys: usize,
    /// Different keys of one token in one bucket on this node, so that a client that changes its user agent each time
    /// neither fills the database nor takes the details from others.
    pub(super) of_a_token: usize,
    /// Buckets of tokens in each shard; uses of further tokens have no details.
    pub(super) spans: usize,
}

const BOUNDS: Bounds = Bounds { keys: 100_000, of_a_token: 50, spans: 25_000 };

pub(super) struct Counts {
    bucket: Bucket,
    bounds: Bounds,
    /// A written key stays while its bucket is current, so that the next use finds it.
    uses: Coalescer<Arc<UsageKey>, UsageCount>,
    details: Details,
    /// The latest bucket with a use, in milliseconds since 1970.
    newest: AtomicI64,
    /// Distinguishes uses that are not counted together, also from those of other nodes.
    seq: AtomicI64,
    dropped: AtomicU64,
}

/// A key and its count.
pub(super) type Counted = (Arc<UsageKey>, UsageCount);

type Table<'c> = LockedTable<'c, Arc<UsageKey>, UsageCount>;

impl Coalesce for UsageCount {
    fn merge(&mut self, other: Self) {
        self.add(other);
    }

    fn clear(&mut self) {
        self.count = 0;
    }

    fn weight(&self) -> u64 {
        self.count
    }
}

/// A borrowed key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key<'a> {
    pub(super) token_id: TokenId,
    pub(super) start: UnixMillis,
    pub(super) method: &'a str,
    pub(super) route: &'a str,
    pub(super) status: u16,
    pub(super) ip: Option<IpAddr>,
    pub(super) user_agent: &'a str,
}

impl<'a> Key<'a> {
    fn of(usage_key: &'a UsageKey) -> Self {
        Self {
            token_id: usage_key.token_id,
            start: usage_key.start,
            method: &usage_key.method,
            route: &usage_key.route,
            status: usage_key.status,
            ip: usage_key.ip,
            user_agent: &usage_key.user_agent,
        }
    }

    fn to_usage_key(self, seq: i64) -> UsageKey {
        UsageKey {
            token_id: self.token_id,
            start: self.start,
            method: self.method.into(),
            route: self.route.into(),
            status: self.status,
            ip: self.ip,
            user_agent: self.user_agent.into(),
            seq,
        }
    }

    /// Whether this is the key of uses that are counted together.
    fn is(&self, known: &UsageKey) -> bool {
        known.seq == 0 && Key::of(known) == *self
    }

    /// The key without details.
    fn coarse(self) -> Self {
        Self { method: "", route: "", ip: None, user_agent: "", ..self }
    }
}

impl Counts {
    pub(super) fn new(bucket: Bucket, seed: u64) -> Self {
        Self::bounded(bucket, seed, BOUNDS)
    }

    pub(super) fn bounded(bucket: Bucket, seed: u64, bounds: Bounds) -> Self {
        Self {
            bucket,
            bounds,
            uses: Coalescer::new(bounds.keys),
            details: Details::default(),
            newest: AtomicI64::new(0),
            // Far from overflow, and never 0.
            seq: AtomicI64::new(i64::try_from(seed >> 2).unwrap_or_default().max(1)),
            dropped: AtomicU64::new(0),
        }
    }

    pub(super) fn bucket(&self) -> Bucket {
        self.bucket
    }

    /// Counts one use.
    pub(super) fn count(&self, key: &Key<'_>, at: UnixMillis) {
        let count = UsageCount::once(at);
        if self.bucket.is_single() {
            let seq = self.seq.fetch_add(1, Relaxed);
            self.insert(&mut self.uses.lock(), *key, seq, count);
            return;
        }
        let hash = self.uses.hash(key);
        let mut table = self.uses.lock();
        if let Some(entry) = table.find(hash, |known| key.is(known)) {
            entry.merge(count);
        } else if self.keeps_details(key, hash) {
            self.insert(&mut table, *key, 0, count);
        } else {
            self.insert_coarse(&mut table, *key, count);
        }
    }

    fn keeps_details(&self, key: &Key<'_>, hash: u64) -> bool {
        let Bounds { of_a_token, spans, .. } = self.bounds;
        self.details.are_kept((key.token_id, key.start), hash, of_a_token, spans)
    }

    /// Adds a new key, without its details if there are too many.
    fn insert(&self, table: &mut Table<'_>, key: Key<'_>, seq: i64, count: UsageCount) {
        if self.uses.keys() < self.bounds.keys {
            self.insert_exact(table, Arc::new(key.to_usage_key(seq)), count);
        } else {
            self.insert_coarse(table, key, count);
        }
    }

    fn insert_coarse(&self, table: &mut Table<'_>, key: Key<'_>, count: UsageCount) {
        let key = key.coarse();
        if let Some(entry) = table.find(self.uses.hash(key), |known| key.is(known)) {
            entry.merge(count);
        } else if self.uses.keys() < self.bounds.keys * 2 {
            self.insert_exact(table, Arc::new(key.to_usage_key(0)), count);
        } else {
            self.dropped.fetch_add(count.count, Relaxed);
        }
    }

    fn insert_exact(&self, table: &mut Table<'_>, usage_key: Arc<UsageKey>, count: UsageCount) {
        let hash = self.uses.hash(Key::of(&usage_key));
        self.newest.fetch_max(usage_key.start.get(), Relaxed);
        table.insert(hash, usage_key, count);
    }

    /// How many uses are not written.
    pub(super) fn unwritten(&self) -> u64 {
        self.uses.unwritten()
    }

    /// Takes everything that was counted since the last call, sorted, each key once. The caller [settles](Self::settle)
    /// it when it is written or requeued.
    pub(super) fn take(&self) -> Vec<Counted> {
        let newest = UnixMillis::new(self.newest.load(Relaxed)).unwrap_or(UnixMillis::MIN);
        // Half of the room is reserved for new keys.
        let mut room = self.bounds.keys / 2;
        let taken = self.uses.take(|usage_key, _| {
            let stays = !self.bucket.is_single() && usage_key.start >= newest && room > 0;
            room -= usize::from(stays);
            stays
        });
        self.details.forget_before(newest);
        taken
    }

    /// Marks taken counts as written, requeued, or lost.
    pub(super) fn settle(&self, counted: &[Counted]) {
        self.uses.settle(weight(counted));
    }

    /// Puts back what could not be written.
    pub(super) fn requeue(&self, counted: &[Counted]) {
        let mut table = self.uses.lock();
        for (usage_key, count) in counted {
            let key = Key::of(usage_key);
            let known = table.find(self.uses.hash(key), |known| usage_key.seq == 0 && key.is(known));
            if let Some(entry) = known {
                entry.merge(*count);
            } else if self.uses.keys() < self.bounds.keys {
                self.insert_exact(&mut table, usage_key.clone(), *count);
            } else {
                self.insert_coarse(&mut table, key, *count);
            }
        }
    }

    /// How many uses were dropped since the last call.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(bucket: Bucket) -> Counts {
        Counts::bounded(bucket, 7, Bounds { keys: 10, of_a_token: 4, spans: 100 })
    }

    fn at(minute: i64) -> UnixMillis {
        UnixMillis::new(minute * 60_000).unwrap()
    }

    fn key(token: u8, minute: i64, agent: &str) -> Key<'_> {
        let token_id = TokenId::new(UnixMillis::MIN, [token; 10]);
        let (ip, user_agent) = ("192.0.2.1".parse().ok(), agent);
        Key { token_id, start: at(minute), method: "GET", route: "/", status: 200, ip, user_agent }
    }

    fn count(counts: &Counts, key: &Key<'_>, times: u64) {
        (0..times).for_each(|_| counts.count(key, key.start));
    }

    fn sum(taken: &[Counted]) -> u64 {
        taken.iter().map(|(_, count)| count.count).sum()
    }

    #[test]
    fn a_token_that_changes_its_user_agent_each_time_loses_only_its_own_details() {
        let counts = counts(Bucket::default());
        for number in 0..100 {
            count(&counts, &key(1, 5, &number.to_string()), 2);
        }
        count(&counts, &key(2, 5, "curl"), 3);
        let taken = counts.take();
        assert_eq!((taken.len(), sum(&taken)), (6, 203));
        assert_eq!(taken.iter().filter(|(known, _)| &*known.user_agent == "curl").count(), 1);
        let coarse = taken.iter().find(|(known, _)| known.user_agent.is_empty()).unwrap();
        assert_eq!((coarse.1.count, coarse.0.ip, &*coarse.0.route), (192, None, ""));
        assert_eq!(counts.take_dropped(), 0);
    }

    #[test]
    fn the_details_of_a_token_are_bounded_across_all_threads() {
        let bounds = Bounds { keys: 10_000, of_a_token: 50, spans: 100 };
        let counts = Counts::bounded(Bucket::default(), 7, bounds);
        let agents: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        for _ in 0..3 {
            std::thread::scope(|scope| {
                for thread in 0..8 {
                    let (counts, agents) = (&counts, &agents);
                    // All threads use the same keys in a different order.
                    let turned = agents.iter().cycle().skip(thread * 100).take(1000);
                    scope.spawn(|| turned.for_each(|agent| count(counts, &key(1, 5, agent), 1)));
                }
            });
            let taken = counts.take();
            assert_eq!((taken.len(), sum(&taken)), (51, 8000));
            let coarse = taken.iter().find(|(known, _)| known.user_agent.is_empty()).unwrap();
            assert_eq!(coarse.1.count, 8000 - 8 * 50, "a key with details has them on every thread");
        }
        count(&counts, &key(1, 6, "curl"), 1);
        assert_eq!(counts.take().len(), 1, "each bucket has its own limit");
    }

    #[test]
    fn uses_of_too_many_tokens_are_counted_without_details() {
        let bounds = Bounds { keys: 10_000, of_a_token: 50, spans: 1 };
        let counts = Counts::bounded(Bucket::default(), 7, bounds);
        for _ in 0..2 {
            (0..200).for_each(|token| count(&counts, &key(token, 5, "curl"), 1));
        }
        let taken = counts.take();
        let detailed = taken.iter().filter(|(known, _)| &*known.user_agent == "curl").count();
        assert_eq!((taken.len(), sum(&taken), counts.details.spans()), (200, 400, detailed));
        assert!((2..=16).contains(&detailed));
    }

    #[test]
    fn beyond_the_limit_details_are_lost_first_and_dropped_uses_are_reported() {
        let counts = counts(Bucket::default());
        for token in 0..40 {
            count(&counts, &key(token, 5, "curl"), 5);
        }
        let taken = counts.take();
        assert_eq!((taken.len(), sum(&taken)), (20, 100));
        assert_eq!(taken.iter().filter(|(known, _)| known.user_agent.is_empty()).count(), 10);
        assert_eq!((counts.take_dropped(), counts.take_dropped()), (100, 0));
        count(&counts, &key(39, 5, "curl"), 1);
        let taken = counts.take();
        assert_eq!((taken.len(), &*taken[0].0.user_agent), (1, "curl"), "there is room again");
    }

    #[test]
    fn single_uses_stay_separate_while_there_is_room_and_their_count_is_kept_longer() {
        let counts = counts(Bucket::new(tokenry_domain::Lifetime::seconds(0)).unwrap());
        count(&counts, &key(1, 5, "curl"), 30);
        let taken = counts.take();
        assert_eq!((taken.len(), sum(&taken)), (11, 30));
        assert!(taken.iter().all(|(known, count)| count.count == 1 || known.seq == 0));
        assert_eq!(counts.uses.keys(), 0, "no key is used again");
    }

    #[test]
    fn requeued_uses_are_counted_exactly_once() {
        let counts = counts(Bucket::default());
        count(&counts, &key(1, 5, "curl"), 3);
        for _ in 0..3 {
            let taken = counts.take();
            assert_eq!(sum(&taken), 3);
            counts.requeue(&taken);
        }
        count(&counts, &key(1, 5, "curl"), 1);
        // A newer bucket: older ones are removed once they are written.
        count(&counts, &key(1, 6, "curl"), 1);
        let taken = counts.take();
        assert_eq!(taken.iter().map(|(_, count)| count.count).collect::<Vec<_>>(), [4, 1]);
        assert_eq!(counts.uses.keys(), 1);
        counts.requeue(&taken);
        assert_eq!(sum(&counts.take()), 5);
        assert!(counts.take().is_empty());
    }

    #[test]
    fn a_key_has_one_entry_however_often_it_is_used_and_written() {
        let counts = counts(Bucket::default());
        for _ in 0..5 {
            count(&counts, &key(1, 5, "curl"), 2);
            assert_eq!(sum(&counts.take()), 2);
        }
        assert_eq!(counts.uses.keys(), 1);
        assert_eq!(counts.details.spans(), 1);
    }
}
