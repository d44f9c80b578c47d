//! Which rows in memory are out of date.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use uuid::Uuid;

/// How many counters ids are spread over; a multiple of one cache line. Two ids that share a counter only cost a read.
const STRIPES: usize = 1 << 14;

/// Counts invalidations, for each token and owner. A row notes the count before it is read, and is out of date once its
/// token or its owner was invalidated later. So a row that was read before a change can be put into memory after it and
/// is still never used.
pub(crate) struct Invalidations {
    /// The position of the newest invalidation of an id with this hash.
    stripes: Box<[AtomicU64]>,
    /// The position of the newest change that may have been of any row.
    all: AtomicU64,
    /// The position at which changes may have been missed.
    missed: AtomicU64,
    /// The position of the newest invalidation.
    position: AtomicU64,
    /// Held by whoever invalidates.
    writing: Mutex<()>,
}

impl Invalidations {
    pub(crate) fn new() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| AtomicU64::new(0)).collect(),
            all: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            position: AtomicU64::new(0),
            writing: Mutex::new(()),
        }
    }

    /// The position to note before a row is read.
    pub(crate) fn position(&self) -> u64 {
        self.position.load(SeqCst)
    }

    /// Whether a row of these ids, read after `position` was noted, is up to date.
    pub(crate) fn is_current(&self, position: u64, ids: [Uuid; 2]) -> bool {
        self.missed.load(SeqCst) <= position && !self.is_changed(position, ids)
    }

    /// Whether a row of these ids, read after `position` was noted, is known to have changed.
    pub(crate) fn is_changed(&self, position: u64, ids: [Uuid; 2]) -> bool {
        self.all.load(SeqCst) > position
            || ids.iter().any(|id| self.stripe(id).is_none_or(|stripe| stripe.load(SeqCst) > position))
    }

    /// Invalidates the rows of these tokens and owners.
    pub(crate) fn invalidate(&self, ids: &[Uuid]) {
        if ids.is_empty() {
            return;
        }
        self.advance(|next| ids.iter().filter_map(|id| self.stripe(id)).for_each(|s| s.store(next, SeqCst)));
    }

    /// Invalidates every row after a change that may have been of any.
    pub(crate) fn invalidate_all(&self) {
        self.advance(|next| self.all.store(next, SeqCst));
    }

    /// Invalidates every row, since changes may have been missed.
    pub(crate) fn drop_all(&self) {
        self.advance(|next| self.missed.store(next, SeqCst));
    }

    /// Writes the next position into counters, and only then makes it the position that rows note.
    fn advance(&self, write: impl FnOnce(u64)) {
        // No code panics while it holds this mutex.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.position.load(SeqCst) + 1;
        write(next);
        self.position.store(next, SeqCst);
    }

    fn stripe(&self, id: &Uuid) -> Option<&AtomicU64> {
        // Ids of an embedding program may have any pattern, so all bits are mixed into the highest ones.
        let (high, low) = id.as_u64_pair();
        let mixed = (high ^ low.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let index = usize::try_from(mixed >> (u64::BITS - STRIPES.trailing_zeros())).unwrap_or(0);
        self.stripes.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Uuid = Uuid::from_u128(1);
    const OWNER: Uuid = Uuid::from_u128(2);
    const OTHER: Uuid = Uuid::from_u128(3);

    #[test]
    fn a_row_is_current_until_its_token_or_owner_is_invalidated() {
        for ids in [&[TOKEN][..], &[OWNER], &[OTHER, OWNER]] {
            let known = Invalidations::new();
            let before = known.position();
            known.invalidate(&[OTHER]);
            assert!(known.is_current(before, [TOKEN, OWNER]), "another token");
            known.invalidate(ids);
            assert!(!known.is_current(before, [TOKEN, OWNER]), "{ids:?}");
            let after = known.position();
            assert!(known.is_current(after, [TOKEN, OWNER]), "read afterwards");
        }
    }

    #[test]
    fn every_row_can_be_invalidated_at_once() {
        let known = Invalidations::new();
        let before = known.position();
        known.drop_all();
        assert!(!known.is_current(before, [TOKEN, OWNER]) && !known.is_changed(before, [TOKEN, OWNER]));
        let before = known.position();
        known.invalidate_all();
        assert!(!known.is_current(before, [TOKEN, OWNER]) && known.is_changed(before, [TOKEN, OWNER]));
        assert!(known.is_current(known.position(), [TOKEN, OWNER]));
    }

    #[test]
    fn a_row_that_was_read_before_an_invalidation_is_never_current_after_it() {
        let known = Invalidations::new();
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=20_000 {
                    known.invalidate(&[TOKEN]);
                    done.store(round, SeqCst);
                }
            });
            let mut seen = 0;
            while seen < 20_000 {
                let position = known.position();
                let before = done.load(SeqCst);
                let is_current = known.is_current(position, [TOKEN, OWNER]);
                seen = done.load(SeqCst);
                // The position is at most as new as the invalidations that were complete when the row was compared.
                assert!(!(is_current && position < before), "{position} {before}");
            }
        });
    }

    #[test]
    fn ids_of_any_pattern_are_spread_over_the_counters() {
        let known = Invalidations::new();
        let patterns: [fn(u128) -> u128; 4] =
            [|n| n, |n| n << 64, |n| n << 112, |n| n.wrapping_mul(u128::MAX / 977)];
        for pattern in patterns {
            let stripes: std::collections::HashSet<_> = (1..=4096)
                .map(|n| std::ptr::from_ref(known.stripe(&Uuid::from_u128(pattern(n))).unwrap()))
                .collect();
            assert!(stripes.len() > 2048, "{}", stripes.len());
        }
    }
}
