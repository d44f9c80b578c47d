//! Work that is heavy enough to be done by few at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokenry_domain::UserId;

/// The most that one user does at a time: what a page shows now, and what it showed a moment ago.
const OF_ONE: usize = 2;

/// Lets so many in at a time, and of each user two, and turns the others away, so that they do not hold a thread and a
/// connection each.
pub(crate) struct Semaphore {
    places: usize,
    inside: Mutex<Vec<Option<UserId>>>,
}

impl Semaphore {
    pub(crate) fn of(places: usize) -> Self {
        Self { places, inside: Mutex::default() }
    }

    /// A place until it is dropped; `None` if all are taken, or two by this user. An operator is no user.
    pub(crate) fn try_acquire(&self, who: Option<UserId>) -> Option<Permit<'_>> {
        let mut inside = self.inside();
        let own = inside.iter().filter(|other| who.is_some() && **other == who).count();
        if inside.len() >= self.places || own >= OF_ONE {
            return None;
        }
        inside.push(who);
        Some(Permit { gate: self, who })
    }

    fn inside(&self) -> MutexGuard<'_, Vec<Option<UserId>>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that was taken.
pub(crate) struct Permit<'g> {
    gate: &'g Semaphore,
    who: Option<UserId>,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut inside = self.gate.inside();
        if let Some(index) = inside.iter().position(|who| *who == self.who) {
            inside.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokenry_domain::UnixMillis;

    use super::*;

    #[test]
    fn as_many_are_in_as_there_are_places_and_each_gives_its_place_back() {
        let gate = Semaphore::of(2);
        let (first, second) = (gate.try_acquire(None), gate.try_acquire(None));
        assert!(first.is_some() && second.is_some() && gate.try_acquire(None).is_none());
        drop(first);
        assert!(
            gate.try_acquire(None).is_some() && gate.try_acquire(None).is_some(),
            "whoever did not stay left a place"
        );
        let panicked = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _place = gate.try_acquire(None).unwrap();
                    panic!("for this test")
                })
                .join()
        });
        assert!(panicked.is_err() && gate.try_acquire(None).is_some());
    }

    #[test]
    fn nobody_takes_the_places_of_others() {
        let gate = Semaphore::of(4);
        let user = |n| Some(UserId::new(UnixMillis::MIN, [n; 10]));
        let (first, _second, _other) =
            (gate.try_acquire(user(1)), gate.try_acquire(user(1)), gate.try_acquire(user(2)));
        assert!(
            first.is_some() && gate.try_acquire(user(1)).is_none() && gate.try_acquire(user(3)).is_some()
        );
        drop(first);
        assert!(gate.try_acquire(user(1)).is_some());
    }
}
