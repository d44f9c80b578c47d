//! Work that is heavy enough to be done by few at a time.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Lets so many in at a time and turns the others away, so that they do not hold a thread and a connection each.
pub(crate) struct Gate {
    places: AtomicUsize,
}

impl Gate {
    pub(crate) fn of(places: usize) -> Self {
        Self { places: AtomicUsize::new(places) }
    }

    /// A place until it is dropped; `None` if all are taken.
    pub(crate) fn enter(&self) -> Option<Place<'_>> {
        self.places.fetch_update(SeqCst, SeqCst, |free| free.checked_sub(1)).ok().map(|_| Place(self))
    }
}

/// A place that was taken.
pub(crate) struct Place<'g>(&'g Gate);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.places.fetch_add(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_in_as_there_are_places_and_each_gives_its_place_back() {
        let gate = Gate::of(2);
        let (first, second) = (gate.enter(), gate.enter());
        assert!(first.is_some() && second.is_some() && gate.enter().is_none());
        drop(first);
        assert!(
            gate.enter().is_some() && gate.enter().is_some(),
            "the place of whoever did not stay is free"
        );
        let panicked = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _place = gate.enter().unwrap();
                    panic!("for this test")
                })
                .join()
        });
        assert!(panicked.is_err() && gate.enter().is_some());
    }
}
