//! Uses that were counted and wait to be written.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use hashbrown::HashTable;
use tokenry_domain::{Bucket, TokenId, UnixMillis, UsageCount, UsageKey};

use super::{details::Details, sharded::Sharded};
use crate::unwritten::Taken;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Different combinations; further ones lose their details, and beyond twice as many are not counted at all.
    pub(super) combinations: usize,
    /// Different combinations of one token in one span of time, on this node: nobody fills the database by calling
    /// themselves something else each time, or takes the details from others.
    pub(super) of_a_token: usize,
    /// Spans of tokens that are known, in each stripe; the uses of further tokens have no details.
    pub(super) spans: usize,
}

const BOUNDS: Bounds = Bounds { combinations: 100_000, of_a_token: 50, spans: 25_000 };

pub(super) struct Counts {
    bucket: Bucket,
    bounds: Bounds,
    hasher: RandomState,
    sharded: Sharded<Stripe>,
    details: Details,
    /// How many combinations all stripes have.
    combinations: AtomicUsize,
    /// The newest span in which anything was counted, in milliseconds since 1970.
    newest: AtomicI64,
    /// Tells uses apart that are not counted together, also from those of other nodes.
    seq: AtomicI64,
    dropped: AtomicU64,
    taken: Taken,
}

/// A combination and how often it was used.
pub(super) type Counted = (Arc<UsageKey>, UsageCount);

#[derive(Default)]
struct Stripe {
    entries: HashTable<Entry>,
}

/// A combination with its count. One that was written stays as long as its span may go on, with a count of 0, so that
/// its next use finds it.
struct Entry {
    hash: u64,
    combination: Arc<UsageKey>,
    tally: UsageCount,
}

/// A combination that is only looked at.
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
    fn of(combination: &'a UsageKey) -> Self {
        Self {
            token_id: combination.token_id,
            start: combination.start,
            method: &combination.method,
            route: &combination.route,
            status: combination.status,
            ip: combination.ip,
            user_agent: &combination.user_agent,
        }
    }

    fn to_combination(self, seq: i64) -> UsageKey {
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

    /// The same without details.
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
            hasher: RandomState::new(),
            sharded: Sharded::default(),
            details: Details::default(),
            combinations: AtomicUsize::new(0),
            newest: AtomicI64::new(0),
            // Far from the end, and never 0.
            seq: AtomicI64::new(i64::try_from(seed >> 2).unwrap_or_default().max(1)),
            dropped: AtomicU64::new(0),
            taken: Taken::default(),
        }
    }

    pub(super) fn bucket(&self) -> Bucket {
        self.bucket
    }

    /// Counts one use.
    pub(super) fn count(&self, key: &Key<'_>, at: UnixMillis) {
        let tally = UsageCount::once(at);
        if self.bucket.is_single() {
            let seq = self.seq.fetch_add(1, Relaxed);
            self.insert(&mut self.sharded.mine(), *key, seq, tally);
            return;
        }
        let hash = self.hasher.hash_one(key);
        let mut stripe = self.sharded.mine();
        if let Some(entry) = stripe.find(hash, key) {
            entry.tally.add(tally);
        } else if self.keeps_details(key, hash) {
            self.insert(&mut stripe, *key, 0, tally);
        } else {
            self.insert_coarse(&mut stripe, *key, tally);
        }
    }

    fn keeps_details(&self, key: &Key<'_>, hash: u64) -> bool {
        let Bounds { of_a_token, spans, .. } = self.bounds;
        self.details.are_kept((key.token_id, key.start), hash, of_a_token, spans)
    }

    /// Adds a combination that is not there, without its details if there are too many.
    fn insert(&self, stripe: &mut Stripe, key: Key<'_>, seq: i64, tally: UsageCount) {
        if self.combinations.load(Relaxed) >= self.bounds.combinations {
            self.insert_coarse(stripe, key, tally);
        } else {
            self.insert_as_it_is(stripe, Arc::new(key.to_combination(seq)), tally);
        }
    }

    fn insert_coarse(&self, stripe: &mut Stripe, key: Key<'_>, tally: UsageCount) {
        let key = key.coarse();
        if let Some(entry) = stripe.find(self.hasher.hash_one(key), &key) {
            entry.tally.add(tally);
        } else if self.combinations.load(Relaxed) < self.bounds.combinations * 2 {
            self.insert_as_it_is(stripe, Arc::new(key.to_combination(0)), tally);
        } else {
            self.dropped.fetch_add(tally.count, Relaxed);
        }
    }

    fn insert_as_it_is(&self, stripe: &mut Stripe, combination: Arc<UsageKey>, tally: UsageCount) {
        let hash = self.hasher.hash_one(Key::of(&combination));
        self.newest.fetch_max(combination.start.get(), Relaxed);
        self.combinations.fetch_add(1, Relaxed);
        let entry = Entry { hash, combination, tally };
        stripe.entries.insert_unique(hash, entry, |entry| entry.hash);
    }

    /// How many uses are not written.
    pub(super) fn unwritten(&self) -> u64 {
        let waiting = |stripe: &Stripe| stripe.entries.iter().map(|entry| entry.tally.count).sum::<u64>();
        self.taken.get() + self.sharded.all().map(|stripe| waiting(&stripe)).sum::<u64>()
    }

    /// Everything that was counted since the last time, sorted, each combination once. Whoever takes it
    /// [settles](Self::settle) it when it is written or put back.
    pub(super) fn take(&self) -> Vec<Counted> {
        let newest = UnixMillis::new(self.newest.load(Relaxed)).unwrap_or(UnixMillis::MIN);
        let mut taken = Vec::new();
        // Half of the room is for new ones.
        let mut kept = self.bounds.combinations / 2;
        for mut stripe in self.sharded.all() {
            let before = stripe.entries.len();
            stripe.entries.retain(|Entry { combination, tally, .. }| {
                if tally.count > 0 {
                    taken.push((combination.clone(), *tally));
                    tally.count = 0;
                }
                let stays = !self.bucket.is_single() && combination.start >= newest && kept > 0;
                kept -= usize::from(stays);
                stays
            });
            self.combinations.fetch_sub(before - stripe.entries.len(), Relaxed);
            stripe.shrink();
        }
        self.details.forget_before(newest);
        self.taken.add(sum(&taken));
        taken.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        taken.dedup_by(|(next, tally), (known, sum)| {
            let is_same = next == known;
            if is_same {
                sum.add(*tally);
            }
            is_same
        });
        taken
    }

    /// What was taken is written, put back, or known to be lost.
    pub(super) fn settle(&self, counted: &[Counted]) {
        self.taken.settle(sum(counted));
    }

    /// Lets wait again what could not be written.
    pub(super) fn requeue(&self, counted: &[Counted]) {
        let mut stripe = self.sharded.mine();
        for (combination, tally) in counted {
            let key = Key::of(combination);
            let known = stripe.find(self.hasher.hash_one(key), &key).filter(|_| combination.seq == 0);
            if let Some(entry) = known {
                entry.tally.add(*tally);
            } else if self.combinations.load(Relaxed) < self.bounds.combinations {
                self.insert_as_it_is(&mut stripe, combination.clone(), *tally);
            } else {
                self.insert_coarse(&mut stripe, key, *tally);
            }
        }
    }

    /// How many uses were not counted since the last time.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Relaxed)
    }
}

fn sum(counted: &[Counted]) -> u64 {
    counted.iter().map(|(_, tally)| tally.count).sum()
}

impl Stripe {
    fn find(&mut self, hash: u64, key: &Key<'_>) -> Option<&mut Entry> {
        let is_it = |entry: &Entry| {
            entry.hash == hash && entry.combination.seq == 0 && Key::of(&entry.combination) == *key
        };
        self.entries.find_mut(hash, is_it)
    }

    /// Gives back what a flood took.
    fn shrink(&mut self) {
        if self.entries.len() * 8 < self.entries.capacity() {
            self.entries.shrink_to(self.entries.len() * 2, |entry| entry.hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(bucket: Bucket) -> Counts {
        Counts::bounded(bucket, 7, Bounds { combinations: 10, of_a_token: 4, spans: 100 })
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
        taken.iter().map(|(_, tally)| tally.count).sum()
    }

    #[test]
    fn a_token_that_changes_its_program_each_time_loses_only_its_own_details() {
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
    fn the_details_of_a_token_are_bounded_for_all_threads_together() {
        let bounds = Bounds { combinations: 10_000, of_a_token: 50, spans: 100 };
        let counts = Counts::bounded(Bucket::default(), 7, bounds);
        let agents: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        for _ in 0..3 {
            std::thread::scope(|scope| {
                for thread in 0..8 {
                    let (counts, agents) = (&counts, &agents);
                    // All use the same, each beginning somewhere else.
                    let turned = agents.iter().cycle().skip(thread * 100).take(1000);
                    scope.spawn(|| turned.for_each(|agent| count(counts, &key(1, 5, agent), 1)));
                }
            });
            let taken = counts.take();
            assert_eq!((taken.len(), sum(&taken)), (51, 8000));
            let coarse = taken.iter().find(|(known, _)| known.user_agent.is_empty()).unwrap();
            assert_eq!(coarse.1.count, 8000 - 8 * 50, "those that have details have them on every thread");
        }
        count(&counts, &key(1, 6, "curl"), 1);
        assert_eq!(counts.take().len(), 1, "each span has room of its own");
    }

    #[test]
    fn where_too_many_tokens_are_used_further_ones_are_only_counted() {
        let bounds = Bounds { combinations: 10_000, of_a_token: 50, spans: 1 };
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
    fn beyond_the_bound_details_go_first_and_what_is_dropped_is_told() {
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
    fn single_uses_are_kept_apart_as_long_as_there_is_room_and_their_number_for_longer() {
        let counts = counts(Bucket::new(tokenry_domain::Lifetime::seconds(0)).unwrap());
        count(&counts, &key(1, 5, "curl"), 30);
        let taken = counts.take();
        assert_eq!((taken.len(), sum(&taken)), (11, 30));
        assert!(taken.iter().all(|(known, tally)| tally.count == 1 || known.seq == 0));
        assert_eq!(counts.combinations.load(Relaxed), 0, "none of them comes again");
    }

    #[test]
    fn what_is_put_back_is_counted_once_more_and_no_more_than_has_room() {
        let counts = counts(Bucket::default());
        count(&counts, &key(1, 5, "curl"), 3);
        for _ in 0..3 {
            let taken = counts.take();
            assert_eq!(sum(&taken), 3);
            counts.requeue(&taken);
        }
        count(&counts, &key(1, 5, "curl"), 1);
        // A newer span: the older ones are forgotten once they are written.
        count(&counts, &key(1, 6, "curl"), 1);
        let taken = counts.take();
        assert_eq!(taken.iter().map(|(_, tally)| tally.count).collect::<Vec<_>>(), [4, 1]);
        assert_eq!(counts.combinations.load(Relaxed), 1);
        counts.requeue(&taken);
        assert_eq!(sum(&counts.take()), 5);
        assert!(counts.take().is_empty());
    }

    #[test]
    fn a_combination_has_one_entry_however_often_it_is_used_and_written() {
        let counts = counts(Bucket::default());
        for _ in 0..5 {
            count(&counts, &key(1, 5, "curl"), 2);
            assert_eq!(sum(&counts.take()), 2);
        }
        assert_eq!(counts.combinations.load(Relaxed), 1);
        assert_eq!(counts.details.spans(), 1);
    }
}
