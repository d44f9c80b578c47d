//! Limits the concurrency of expensive operations.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokenry_domain::UserId;

/// The maximum for one user: the page that is shown, and the one shown just before.
const MAX_PER_USER: usize = 2;

/// Limits concurrency globally and per holder, by default a user. Excess calls fail immediately, so that they do not hold a
/// thread and a connection.
pub(crate) struct Semaphore<H: Copy + PartialEq = UserId> {
    permits: usize,
    per_holder: usize,
    holders: Mutex<Vec<Option<H>>>,
}

impl Semaphore {
    /// Limits users to two each.
    pub(crate) fn of(permits: usize) -> Self {
        Self::shared(permits, MAX_PER_USER)
    }
}

impl<H: Copy + PartialEq> Semaphore<H> {
    /// Limits each holder to `per_holder` of these permits.
    pub(crate) fn shared(permits: usize, per_holder: usize) -> Self {
        Self { permits, per_holder, holders: Mutex::default() }
    }

    /// Acquires a permit, released on drop. `None` if all permits are taken, or the maximum by this holder. `holder` is
    /// `None` for an operator, who has no such limit.
    pub(crate) fn try_acquire(&self, holder: Option<H>) -> Option<Permit<'_, H>> {
        let mut holders = self.holders();
        let own = holders.iter().filter(|other| holder.is_some() && **other == holder).count();
        if holders.len() >= self.permits || own >= self.per_holder {
            return None;
        }
        holders.push(holder);
        Some(Permit { semaphore: self, holder })
    }

    fn holders(&self) -> MutexGuard<'_, Vec<Option<H>>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An acquired permit.
pub(crate) struct Permit<'s, H: Copy + PartialEq> {
    semaphore: &'s Semaphore<H>,
    holder: Option<H>,
}

impl<H: Copy + PartialEq> Drop for Permit<'_, H> {
    fn drop(&mut self) {
        let mut holders = self.semaphore.holders();
        if let Some(index) = holders.iter().position(|holder| *holder == self.holder) {
            holders.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokenry_domain::UnixMillis;

    use super::*;

    #[test]
    fn permits_are_limited_and_released_on_drop() {
        let semaphore = Semaphore::of(2);
        let (first, second) = (semaphore.try_acquire(None), semaphore.try_acquire(None));
        assert!(first.is_some() && second.is_some() && semaphore.try_acquire(None).is_none());
        drop(first);
        assert!(
            semaphore.try_acquire(None).is_some() && semaphore.try_acquire(None).is_some(),
            "dropped permits are released"
        );
        let panicked = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _permit = semaphore.try_acquire(None).unwrap();
                    panic!("for this test")
                })
                .join()
        });
        assert!(panicked.is_err() && semaphore.try_acquire(None).is_some());
    }

    #[test]
    fn one_user_cannot_take_all_permits() {
        let semaphore = Semaphore::of(4);
        let user = |n| Some(UserId::new(UnixMillis::MIN, [n; 10]));
        let (first, _second, _other) =
            (semaphore.try_acquire(user(1)), semaphore.try_acquire(user(1)), semaphore.try_acquire(user(2)));
        assert!(
            first.is_some()
                && semaphore.try_acquire(user(1)).is_none()
                && semaphore.try_acquire(user(3)).is_some()
        );
        drop(first);
        assert!(semaphore.try_acquire(user(1)).is_some());
    }
}
