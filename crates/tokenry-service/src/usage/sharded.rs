//! A value for each of a few threads, so that they do not wait for each other.

use std::{
    cell::Cell,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// As many threads as this never share a stripe.
const STRIPES: usize = 16;

#[derive(Default)]
pub(super) struct Sharded<T>([Stripe<T>; STRIPES]);

/// On cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Stripe<T>(Mutex<T>);

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<Option<usize>> = const { Cell::new(None) };
}

impl<T> Sharded<T> {
    /// That of this thread.
    pub(super) fn mine(&self) -> MutexGuard<'_, T> {
        let mine = MINE.get().unwrap_or_else(|| {
            let mine = THREADS.fetch_add(1, Ordering::Relaxed);
            MINE.set(Some(mine));
            mine
        });
        self.numbered(mine)
    }

    /// That of a number, the same for all threads.
    pub(super) fn numbered(&self, number: usize) -> MutexGuard<'_, T> {
        // The remainder is the number of a stripe, so the default is never taken.
        let [first, ..] = &self.0;
        locked(self.0.get(number % STRIPES).unwrap_or(first))
    }

    /// Each in turn, one locked at a time.
    pub(super) fn all(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.0.iter().map(locked)
    }
}

fn locked<T>(stripe: &Stripe<T>) -> MutexGuard<'_, T> {
    // A panic cannot leave what is in it half changed.
    stripe.0.lock().unwrap_or_else(PoisonError::into_inner)
}
