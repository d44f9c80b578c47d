//! The thread that writes buffered uses of tokens and sessions.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokenry_domain::{UsageCount, UsageKey};
use tokenry_store::{Store, StoreError, usage};

use super::{
    counts::{Counted, Counts},
    last_used::LastUsed,
    scopes::ScopeUses,
};
use crate::{
    observed_expiries::ObservedExpiries,
    periodic::{Buffer, FlushOutcome, Periodic, UNIT_WAIT},
    session::seen::SeenSessions,
    settings::UsageSettings,
};

/// The flush interval. After `kill -9` at most the last interval is lost.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many keys are written in one transaction.
const BATCH: usize = 500;
const _: () = assert!(BATCH <= usage::MAX_KEYS);
/// After this many failures, of consecutive batches or of kinds, a flush skips the rest.
const MAX_FAILURES: u8 = 2;

pub(crate) struct WriteBehind {
    pending: Arc<Pending>,
    _thread: Periodic,
}

/// Records that wait to be written.
pub(crate) struct Pending {
    store: Store,
    pub(super) last_used: LastUsed,
    pub(super) scopes: ScopeUses,
    pub(super) counts: Option<Counts>,
    pub(crate) sessions: SeenSessions,
    expiries: Arc<ObservedExpiries>,
    /// One flush at a time, so that a flush ends after all records taken before it are written.
    writing: Mutex<()>,
}

impl WriteBehind {
    pub(crate) fn start(
        store: Store,
        settings: UsageSettings,
        seed: u64,
        expiries: Arc<ObservedExpiries>,
    ) -> Result<Self, StoreError> {
        let counts = settings.is_enabled.then(|| Counts::new(settings.bucket, seed));
        let pending = Arc::new(Pending {
            store,
            last_used: LastUsed::new(),
            scopes: ScopeUses::new(),
            counts,
            sessions: SeenSessions::new(),
            expiries,
            writing: Mutex::default(),
        });
        let workers = pending.store.workers();
        let thread = Periodic::start(workers, "usage", INTERVAL, pending.clone())?;
        Ok(Self { pending, _thread: thread })
    }

    pub(crate) fn pending(&self) -> &Pending {
        &self.pending
    }
}

impl Pending {
    /// The number of unwritten uses, and of unwritten last uses.
    pub(crate) fn unwritten(&self) -> (u64, u64) {
        let uses = self.counts.as_ref().map_or(0, Counts::unwritten);
        (uses, self.last_used.unwritten() + self.scopes.unwritten() + self.sessions.unwritten())
    }

    /// Writes all pending records, except rows that are locked. While `is_stopping`, the first failure ends the flush.
    pub(super) fn write(&self, is_stopping: &dyn Fn() -> bool) -> Result<FlushOutcome, StoreError> {
        self.write_to(&self.store, is_stopping)
    }

    fn write_to(&self, store: &Store, is_stopping: &dyn Fn() -> bool) -> Result<FlushOutcome, StoreError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let kinds: [&dyn Fn() -> Result<FlushOutcome, StoreError>; 5] = [
            &|| self.last_used.write(store),
            &|| self.scopes.write(store),
            &|| self.write_counts(store, is_stopping),
            &|| self.sessions.write(store),
            &|| self.expiries.write(store),
        ];
        let (mut outcome, mut failures, mut failure) = (FlushOutcome::Complete, 0, None);
        for write in kinds {
            match write() {
                Ok(FlushOutcome::Complete) => {}
                Ok(FlushOutcome::Incomplete) => outcome = FlushOutcome::Incomplete,
                // A failure of one kind need not affect the others.
                Err(error) => {
                    failures += u8::from(matches!(error, StoreError::Unavailable(_)));
                    failure.get_or_insert(error);
                    if is_enough(failures, is_stopping) {
                        break;
                    }
                }
            }
        }
        failure.map_or(Ok(outcome), Err)
    }

    fn write_counts(
        &self,
        store: &Store,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<FlushOutcome, StoreError> {
        match &self.counts {
            Some(counts) => write_counts(store, counts, is_stopping),
            None => Ok(FlushOutcome::Complete),
        }
    }
}

impl Buffer for Arc<Pending> {
    fn write(&self, is_stopping: &dyn Fn() -> bool) -> Result<FlushOutcome, StoreError> {
        self.write_to(&self.store.waiting_at_most(UNIT_WAIT), is_stopping)
    }

    fn unwritten(&self) -> u64 {
        let (uses, last_uses) = Pending::unwritten(self);
        uses + last_uses + self.expiries.unwritten()
    }
}

fn is_enough(failures: u8, is_stopping: &dyn Fn() -> bool) -> bool {
    failures >= MAX_FAILURES || (failures > 0 && is_stopping())
}

fn write_counts(
    store: &Store,
    counts: &Counts,
    is_stopping: &dyn Fn() -> bool,
) -> Result<FlushOutcome, StoreError> {
    let dropped = counts.take_dropped();
    if dropped > 0 {
        tracing::warn!(
            uses = dropped,
            "too many uses of tokens were pending; these are not in the usage log"
        );
    }
    let (mut outcome, mut failures, mut failure) = (FlushOutcome::Complete, 0, None);
    for batch in counts.take().chunks(BATCH) {
        if is_enough(failures, is_stopping) {
            counts.requeue(batch);
            counts.settle(batch);
            continue;
        }
        let written = write_batch(store, counts, batch);
        counts.settle(batch);
        match written {
            Ok(FlushOutcome::Complete) => failures = 0,
            Ok(FlushOutcome::Incomplete) => (outcome, failures) = (FlushOutcome::Incomplete, 0),
            Err(error) => (failure, failures) = (Some(error), failures + 1),
        }
    }
    failure.map_or(Ok(outcome), Err)
}

/// Writes a batch; requeues what has to be retried.
fn write_batch(store: &Store, counts: &Counts, batch: &[Counted]) -> Result<FlushOutcome, StoreError> {
    match (add(store, batch), batch) {
        (Ok(locked), _) => {
            counts.requeue(&locked);
            Ok(if locked.is_empty() { FlushOutcome::Complete } else { FlushOutcome::Incomplete })
        }
        // These failures are not caused by a row.
        (Err(error @ (StoreError::Unavailable(_) | StoreError::Unusable(_))), _) => {
            counts.requeue(batch);
            Err(error)
        }
        (Err(error), [(usage_key, count)]) => {
            let (token, uses) = (usage_key.token_id, count.count);
            tracing::error!(%error, %token, uses, "these uses cannot be in the usage log");
            Ok(FlushOutcome::Complete)
        }
        // A faulty row must not prevent the others from being written.
        (Err(_), rows) => {
            let (front, back) = rows.split_at(rows.len() / 2);
            let halves = (write_batch(store, counts, front), write_batch(store, counts, back));
            let (front, back) = (halves.0?, halves.1?);
            Ok(if front == FlushOutcome::Complete { back } else { front })
        }
    }
}

/// Writes a batch; returns the counts of tokens that are locked by another transaction.
fn add(store: &Store, batch: &[Counted]) -> Result<Vec<Counted>, StoreError> {
    let rows = batch.to_vec();
    store.write_bookkeeping(move |tx| {
        let uses: Vec<(&UsageKey, UsageCount)> =
            rows.iter().map(|(usage_key, count)| (&**usage_key, *count)).collect();
        let locked = tx.add_uses(&uses)?;
        Ok(rows.into_iter().filter(|(usage_key, _)| locked.contains(&usage_key.token_id)).collect())
    })
}
