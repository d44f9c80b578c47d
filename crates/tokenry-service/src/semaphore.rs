//! Limits the concurrency of expensive operations.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokenry_domain::UserId;

/// The maximum for one user: the page that is shown, and the one shown just before.
const MAX_PER_USER: usize = 2;

/// Limits concurrency globally and to two per user. Excess calls fail immediately, so that they do not hold a thread
/// and a connection.
pub(crate) struct Semaphore {
    permits: usize,
    holders: Mutex<Vec<Option<UserId>>>,
}

impl Semaphore {
    pub(crate) fn of(permits: usize) -> Self {
        Self { permits, holders: Mutex::default() }
    }

    /// Acquires a permit, released on drop. `None` if all permits are taken, or two by this user. `user` is `None` for
    /// an operator, who has no limit per user.
    pub(crate) fn try_acquire(&self, user: Option<UserId>) -> Option<Permit<'_>> {
        let mut holders = self.holders();
        let own = holders.iter().filter(|holder| user.is_some() && **holder == user).count();
        if holders.len() >= self.permits || own >= MAX_PER_USER {
            return None;
        }
        holders.push(user);
        Some(Permit { semaphore: self, user })
    }

    fn holders(&self) -> MutexGuard<'_, Vec<Option<UserId>>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An acquired permit.
pub(crate) struct Permit<'s> {
    semaphore: &'s Semaphore,
    user: Option<UserId>,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut holders = self.semaphore.holders();
        if let Some(index) = holders.iter().position(|user| *user == self.user) {
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
