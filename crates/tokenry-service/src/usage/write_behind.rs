//! The one thread that writes last uses and counts, of tokens and sessions.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokenry_domain::{Combination, Tally};
use tokenry_store::{Store, StoreError, usage};

use super::{UsageSettings, counts::Counts, last_used::LastUsed, scopes::ScopeUses};
use crate::{
    ends::Ends,
    periodic::{Left, Periodic},
    session::seen::SeenSessions,
};

/// How often what waits is written. After `kill -9` at most the last interval is lost.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many combinations share one transaction.
const BATCH: usize = 500;
const _: () = assert!(BATCH <= usage::MOST);
/// After so many batches in a row that failed, the others are not tried in this round.
const FAILURES: u8 = 2;

pub(crate) struct WriteBehind {
    waiting: Arc<Waiting>,
    _thread: Periodic,
}

/// What waits to be written.
pub(crate) struct Waiting {
    store: Store,
    pub(super) last_used: LastUsed,
    pub(super) scopes: ScopeUses,
    pub(super) counts: Option<Counts>,
    pub(crate) sessions: SeenSessions,
    ends: Arc<Ends>,
    /// One round at a time, so that the end of a flush is the end of all that was taken before it.
    writing: Mutex<()>,
}

impl WriteBehind {
    pub(crate) fn start(
        store: Store,
        settings: UsageSettings,
        seed: u64,
        ends: Arc<Ends>,
    ) -> Result<Self, StoreError> {
        let counts = settings.is_enabled.then(|| Counts::new(settings.bucket, seed));
        let (last_used, scopes) = (LastUsed::default(), ScopeUses::default());
        let waiting = Arc::new(Waiting {
            store,
            last_used,
            scopes,
            counts,
            sessions: SeenSessions::default(),
            ends,
            writing: Mutex::default(),
        });
        let (written, workers) = (waiting.clone(), waiting.store.workers());
        let thread = Periodic::start(workers, "usage", INTERVAL, move || {
            written.write().unwrap_or_else(|error| {
                tracing::warn!(%error, "uses of tokens were not written and wait");
                Left::Nothing
            })
        })?;
        Ok(Self { waiting, _thread: thread })
    }

    pub(crate) fn waiting(&self) -> &Waiting {
        &self.waiting
    }
}

impl Waiting {
    /// How many uses, and how many last uses, are not written.
    pub(crate) fn unwritten(&self) -> (u64, u64) {
        let uses = self.counts.as_ref().map_or(0, Counts::unwritten);
        (uses, self.last_used.unwritten() + self.scopes.unwritten() + self.sessions.unwritten())
    }

    /// Writes all that waits, but for what somebody else holds at this moment.
    pub(super) fn write(&self) -> Result<Left, StoreError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // All are tried, so that what keeps one from being written does not keep the others.
        let last_used = self.last_used.write(&self.store);
        let scopes = self.scopes.write(&self.store);
        let counted = self.counts.as_ref().map_or(Ok(Left::Nothing), |counts| self.write_counts(counts));
        let sessions = self.sessions.write(&self.store);
        self.ends.write(&self.store)?;
        let left = [last_used?, scopes?, counted?];
        sessions?;
        Ok(if left.contains(&Left::Something) { Left::Something } else { Left::Nothing })
    }

    fn write_counts(&self, counts: &Counts) -> Result<Left, StoreError> {
        let dropped = counts.take_dropped();
        if dropped > 0 {
            tracing::warn!(uses = dropped, "too many uses of tokens waited: these are not in the usage log");
        }
        let (mut left, mut failures, mut failure) = (Left::Nothing, 0, None);
        for batch in counts.take().chunks(BATCH) {
            if failures == FAILURES {
                counts.put_back(batch);
                counts.settle(batch);
                continue;
            }
            let written = self.write_batch(counts, batch);
            counts.settle(batch);
            match written {
                Ok(Left::Nothing) => failures = 0,
                Ok(Left::Something) => (left, failures) = (Left::Something, 0),
                Err(error) => (failure, failures) = (Some(error), failures + 1),
            }
        }
        failure.map_or(Ok(left), Err)
    }

    /// Writes a batch; what has to be tried again waits again.
    fn write_batch(&self, counts: &Counts, batch: &[Counted]) -> Result<Left, StoreError> {
        match (self.add(batch), batch) {
            (Ok(held), _) => {
                counts.put_back(&held);
                Ok(if held.is_empty() { Left::Nothing } else { Left::Something })
            }
            (Err(error @ StoreError::Unavailable(_)), _) => {
                counts.put_back(batch);
                Err(error)
            }
            (Err(error), [(combination, tally)]) => {
                let (token, uses) = (combination.token_id, tally.count);
                tracing::error!(%error, %token, uses, "these uses cannot be in the usage log");
                Ok(Left::Nothing)
            }
            // What is wrong with one row must not keep the others out.
            (Err(_), rows) => {
                let (front, back) = rows.split_at(rows.len() / 2);
                let halves = (self.write_batch(counts, front), self.write_batch(counts, back));
                let (front, back) = (halves.0?, halves.1?);
                Ok(if front == Left::Nothing { back } else { front })
            }
        }
    }

    fn add(&self, batch: &[Counted]) -> Result<Vec<Counted>, StoreError> {
        let rows = batch.to_vec();
        self.store.write_bookkeeping(move |tx| {
            let uses: Vec<(&Combination, Tally)> =
                rows.iter().map(|(combination, tally)| (&**combination, *tally)).collect();
            let held = tx.add_uses(&uses)?;
            Ok(rows.into_iter().filter(|(combination, _)| held.contains(&combination.token_id)).collect())
        })
    }
}

/// A combination and how often it was used.
pub(super) type Counted = (Arc<Combination>, Tally);
