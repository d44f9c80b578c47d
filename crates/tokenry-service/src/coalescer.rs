//! Buffers values that are written after the responses, so that many values of one key become one row.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hash},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crossbeam_utils::CachePadded;
use hashbrown::HashTable;
use thread_local::ThreadLocal;
use tokenry_domain::UnixMillis;

use crate::{periodic::FlushOutcome, unwritten::Taken};

/// A value of which several become one.
pub(crate) trait Coalesce: Clone {
    /// Merges another value of the same key into this one.
    fn merge(&mut self, other: Self);

    /// Reduces a value that was taken to what may stay: later values of the key are merged into it.
    fn clear(&mut self) {}

    /// How many records it stands for, as counted by [`Coalescer::unwritten`].
    fn weight(&self) -> u64 {
        1
    }
}

/// The latest instant.
impl Coalesce for UnixMillis {
    fn merge(&mut self, other: Self) {
        *self = other.max(*self);
    }
}

/// Values by key that wait to be written. Each thread has a table of its own, so that threads do not wait for each other.
pub(crate) struct Coalescer<K: Send, V: Send> {
    tables: ThreadLocal<CachePadded<Mutex<Table<K, V>>>>,
    hasher: RandomState,
    max_keys: usize,
    /// The number of keys in all tables.
    keys: AtomicUsize,
    taken: Taken,
}

type Table<K, V> = HashTable<Entry<K, V>>;

/// A key and its value. It may stay after it was taken, so that the next value of the key finds it.
pub(crate) struct Entry<K, V> {
    hash: u64,
    key: K,
    value: V,
    is_pending: bool,
}

impl<K: Send, V: Send> Coalescer<K, V> {
    /// An empty buffer. A thread adds no new keys while all threads together have `max_keys`.
    pub(crate) fn new(max_keys: usize) -> Self {
        Self {
            tables: ThreadLocal::new(),
            hasher: RandomState::new(),
            max_keys,
            keys: AtomicUsize::new(0),
            taken: Taken::default(),
        }
    }

    /// The hash of a key, or of a borrowed form of it with the same hash.
    pub(crate) fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The number of keys of all threads; a key counts once for each thread that has it.
    pub(crate) fn keys(&self) -> usize {
        self.keys.load(Relaxed)
    }

    /// Locks the table of this thread.
    pub(crate) fn lock(&self) -> LockedTable<'_, K, V> {
        LockedTable { table: locked(self.tables.get_or_default()), keys: &self.keys }
    }

    /// Marks records that were taken as written, requeued, or lost.
    pub(crate) fn settle(&self, weight: u64) {
        self.taken.settle(weight);
    }

    fn all(&self) -> impl Iterator<Item = MutexGuard<'_, Table<K, V>>> {
        self.tables.iter().map(|table| locked(table))
    }
}

impl<K: Clone + Ord + Send, V: Coalesce + Send> Coalescer<K, V> {
    /// Takes what is pending, sorted, each key once. The caller [settles](Self::settle) it when it is written or
    /// requeued. Only entries that `stays` accepts remain for lookups.
    pub(crate) fn take(&self, mut stays: impl FnMut(&K, &V) -> bool) -> Vec<(K, V)> {
        let mut taken = Vec::new();
        let mut added = 0;
        for mut table in self.all() {
            let (before, begun) = (table.len(), taken.len());
            table.retain(|entry| {
                let stays = stays(&entry.key, &entry.value);
                if std::mem::take(&mut entry.is_pending) {
                    taken.push((entry.key.clone(), entry.value.clone()));
                    entry.value.clear();
                }
                stays
            });
            self.keys.fetch_sub(before - table.len(), Relaxed);
            // Under the lock, so that `unwritten` misses nothing.
            let weight = weight(taken.get(begun..).unwrap_or_default());
            self.taken.add(weight);
            added += weight;
            release_memory(&mut table);
        }
        merge_equal_keys(&mut taken);
        self.taken.settle(added - weight(&taken));
        taken
    }

    /// How many records are not written.
    pub(crate) fn unwritten(&self) -> u64 {
        let before = self.taken.get();
        let mut pending = Vec::new();
        for table in self.all() {
            let entries = table.iter().filter(|entry| entry.is_pending);
            pending.extend(entries.map(|entry| (entry.key.clone(), entry.value.clone())));
        }
        merge_equal_keys(&mut pending);
        // Records that are taken or requeued while this reads the tables may count twice, but are not missed.
        weight(&pending) + before.max(self.taken.get())
    }
}

impl<K: Clone + Hash + Ord + Send, V: Coalesce + Send> Coalescer<K, V> {
    /// Adds a value. Drops it if its key is new and there are too many.
    pub(crate) fn record(&self, key: K, value: V) {
        self.add(&mut self.lock(), key, value, self.max_keys);
    }

    /// Puts back what was not written. There is room for as many keys again, so that new ones lose none of them.
    pub(crate) fn requeue(&self, values: &[(K, V)]) {
        let mut table = self.lock();
        for (key, value) in values {
            self.add(&mut table, key.clone(), value.clone(), self.max_keys.saturating_mul(2));
        }
    }

    fn add(&self, table: &mut LockedTable<'_, K, V>, key: K, value: V, max_keys: usize) {
        let hash = self.hash(&key);
        match table.find(hash, |known| *known == key) {
            Some(entry) => entry.merge(value),
            None if self.keys() < max_keys => table.insert(hash, key, value),
            None => {}
        }
    }

    /// Takes everything, and writes it in batches of at most `size`. `write` returns what has to be retried, which is
    /// requeued. The first failure ends the flush and requeues the rest, since the next batch would wait for the same
    /// lock or timeout again.
    pub(crate) fn flush<E>(
        &self,
        size: usize,
        stays: impl FnMut(&K, &V) -> bool,
        mut write: impl FnMut(&[(K, V)]) -> Result<Vec<(K, V)>, E>,
    ) -> Result<FlushOutcome, E> {
        let taken = self.take(stays);
        let mut outcome = FlushOutcome::Complete;
        for (index, batch) in taken.chunks(size).enumerate() {
            match write(batch) {
                Ok(retried) => {
                    if !retried.is_empty() {
                        self.requeue(&retried);
                        outcome = FlushOutcome::Incomplete;
                    }
                    self.settle(weight(batch));
                }
                Err(error) => {
                    let rest = taken.get(index * size..).unwrap_or_default();
                    self.requeue(rest);
                    self.settle(weight(rest));
                    return Err(error);
                }
            }
        }
        Ok(outcome)
    }
}

/// The table of one thread, locked.
pub(crate) struct LockedTable<'c, K, V> {
    table: MutexGuard<'c, Table<K, V>>,
    keys: &'c AtomicUsize,
}

impl<K, V> LockedTable<'_, K, V> {
    /// Finds a key by its hash, without a copy of it.
    pub(crate) fn find(&mut self, hash: u64, is_key: impl Fn(&K) -> bool) -> Option<&mut Entry<K, V>> {
        self.table.find_mut(hash, |entry| entry.hash == hash && is_key(&entry.key))
    }

    /// Adds a key that [`find`](Self::find) did not find.
    pub(crate) fn insert(&mut self, hash: u64, key: K, value: V) {
        self.keys.fetch_add(1, Relaxed);
        let entry = Entry { hash, key, value, is_pending: true };
        self.table.insert_unique(hash, entry, |entry| entry.hash);
    }
}

impl<K, V: Coalesce> Entry<K, V> {
    pub(crate) fn value(&self) -> &V {
        &self.value
    }

    pub(crate) fn merge(&mut self, value: V) {
        self.value.merge(value);
        self.is_pending = true;
    }
}

/// How many records these values stand for.
pub(crate) fn weight<K, V: Coalesce>(values: &[(K, V)]) -> u64 {
    values.iter().map(|(_, value)| value.weight()).sum()
}

/// Sorts by key, and merges the values of equal keys.
fn merge_equal_keys<K: Ord, V: Coalesce>(values: &mut Vec<(K, V)>) {
    values.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    values.dedup_by(|next, known| {
        let is_same = next.0 == known.0;
        if is_same {
            known.1.merge(next.1.clone());
        }
        is_same
    });
}

/// Releases the memory of a flood.
fn release_memory<K, V>(table: &mut Table<K, V>) {
    if table.len() * 8 < table.capacity() {
        table.shrink_to(table.len() * 2, |entry| entry.hash);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic cannot leave a half-changed table.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
impl<K: Send, V: Send> Coalescer<K, V> {
    /// For how many keys the tables have memory.
    pub(crate) fn capacity(&self) -> usize {
        self.all().map(|table| table.capacity()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Sum(u64);

    impl Coalesce for Sum {
        fn merge(&mut self, Sum(other): Self) {
            self.0 += other;
        }

        fn clear(&mut self) {
            self.0 = 0;
        }

        fn weight(&self) -> u64 {
            self.0
        }
    }

    fn take(sums: &Coalescer<u8, Sum>) -> Vec<(u8, u64)> {
        let taken = sums.take(|_, _| false);
        sums.settle(weight(&taken));
        taken.into_iter().map(|(key, Sum(sum))| (key, sum)).collect()
    }

    #[test]
    fn the_values_of_all_threads_are_taken_once_by_key_in_order() {
        let sums = Coalescer::new(100);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000_u16).for_each(|n| sums.record(u8::try_from(n % 3).unwrap(), Sum(1))));
            }
        });
        assert_eq!(sums.unwritten(), 4000);
        assert_eq!(take(&sums), [(0, 1336), (1, 1332), (2, 1332)]);
        assert_eq!((take(&sums).len(), sums.unwritten(), sums.keys()), (0, 0, 0));
    }

    #[test]
    fn new_keys_are_dropped_beyond_the_bound_and_known_ones_are_not() {
        let sums = Coalescer::new(2);
        (0..3).for_each(|key| sums.record(key, Sum(1)));
        sums.record(0, Sum(1));
        assert_eq!(take(&sums), [(0, 2), (1, 1)]);
    }

    #[test]
    fn an_entry_that_stays_is_not_pending_until_its_next_value() {
        let sums = Coalescer::new(2);
        sums.record(1, Sum(5));
        assert_eq!(sums.take(|_, _| true), [(1, Sum(5))]);
        sums.settle(5);
        assert_eq!((sums.unwritten(), sums.keys()), (0, 1));
        assert!(sums.take(|_, _| true).is_empty());
        sums.record(1, Sum(2));
        assert_eq!(take(&sums), [(1, 2)]);
    }

    #[test]
    fn what_fails_or_has_to_be_retried_is_unwritten_until_a_later_flush_writes_it() {
        let sums = Coalescer::new(3);
        (0..3).for_each(|key| sums.record(key, Sum(1)));
        let failed =
            sums.flush(2, |_, _| false, |batch| if batch.len() == 2 { Ok(Vec::new()) } else { Err("down") });
        assert_eq!(failed, Err("down"));
        assert_eq!(sums.unwritten(), 1);
        // What was requeued takes room from new keys.
        (3..6).for_each(|key| sums.record(key, Sum(1)));
        assert_eq!(sums.unwritten(), 3);
        let retried = sums.flush(9, |_, _| false, |batch| Ok::<_, ()>(batch[..1].to_vec()));
        assert_eq!((retried, sums.unwritten()), (Ok(FlushOutcome::Incomplete), 1));
        let complete = sums.flush(9, |_, _| false, |_| Ok::<_, ()>(Vec::new()));
        assert_eq!((complete, sums.unwritten()), (Ok(FlushOutcome::Complete), 0));
    }
}
