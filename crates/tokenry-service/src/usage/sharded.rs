//! A value sharded by thread, so that threads do not wait for each other.

use std::{
    cell::Cell,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The number of shards; up to this many threads never share one.
const SHARDS: usize = 16;

#[derive(Default)]
pub(super) struct Sharded<T>([Shard<T>; SHARDS]);

/// Aligned to its own cache lines.
#[derive(Default)]
#[repr(align(128))]
struct Shard<T>(Mutex<T>);

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD_INDEX: Cell<Option<usize>> = const { Cell::new(None) };
}

impl<T> Sharded<T> {
    /// Locks the shard of this thread.
    pub(super) fn mine(&self) -> MutexGuard<'_, T> {
        let index = SHARD_INDEX.get().unwrap_or_else(|| {
            let index = THREADS.fetch_add(1, Ordering::Relaxed);
            SHARD_INDEX.set(Some(index));
            index
        });
        self.numbered(index)
    }

    /// Locks the shard with this number, modulo their count.
    pub(super) fn numbered(&self, number: usize) -> MutexGuard<'_, T> {
        // The remainder is a valid index, so the default is never used.
        let [first, ..] = &self.0;
        locked(self.0.get(number % SHARDS).unwrap_or(first))
    }

    /// Locks each shard in turn, one at a time.
    pub(super) fn all(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.0.iter().map(locked)
    }
}

fn locked<T>(shard: &Shard<T>) -> MutexGuard<'_, T> {
    // A panic cannot leave a half-changed value.
    shard.0.lock().unwrap_or_else(PoisonError::into_inner)
}
