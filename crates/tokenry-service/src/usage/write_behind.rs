//! The one thread that writes last uses and counts, of tokens and sessions.

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
    ends::Ends,
    periodic::{Behind, FlushOutcome, Periodic, UNIT_WAIT},
    session::seen::SeenSessions,
    settings::UsageSettings,
};

/// How often what waits is written. After `kill -9` at most the last interval is lost.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many combinations share one transaction.
const BATCH: usize = 500;
const _: () = assert!(BATCH <= usage::MAX_KEYS);
/// After so many failures, of batches in a row or of kinds, the others are not tried in this round.
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
        let workers = waiting.store.workers();
        let thread = Periodic::start(workers, "usage", INTERVAL, waiting.clone())?;
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

    /// Writes all that waits, but for what somebody else holds at this moment. Once it `is_hurried`, a first refusal is
    /// enough.
    pub(super) fn write(&self, is_hurried: &dyn Fn() -> bool) -> Result<FlushOutcome, StoreError> {
        self.write_to(&self.store, is_hurried)
    }

    fn write_to(&self, store: &Store, is_hurried: &dyn Fn() -> bool) -> Result<FlushOutcome, StoreError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = || match &self.counts {
            Some(counts) => write_counts(store, counts, is_hurried),
            None => Ok(FlushOutcome::Nothing),
        };
        let kinds: [&dyn Fn() -> Result<FlushOutcome, StoreError>; 5] = [
            &|| self.last_used.write(store),
            &|| self.scopes.write(store),
            &counted,
            &|| self.sessions.write(store).map(|()| FlushOutcome::Nothing),
            &|| self.ends.write(store).map(|()| FlushOutcome::Nothing),
        ];
        let (mut left, mut failures, mut failure) = (FlushOutcome::Nothing, 0, None);
        for write in kinds {
            match write() {
                Ok(FlushOutcome::Nothing) => {}
                Ok(FlushOutcome::Something) => left = FlushOutcome::Something,
                // What keeps one kind from being written need not keep the others.
                Err(error) => {
                    failures += u8::from(matches!(error, StoreError::Unavailable(_)));
                    failure.get_or_insert(error);
                    if is_enough(failures, is_hurried) {
                        break;
                    }
                }
            }
        }
        failure.map_or(Ok(left), Err)
    }
}

impl Behind for Arc<Waiting> {
    fn write(&self, is_hurried: &dyn Fn() -> bool) -> Result<FlushOutcome, StoreError> {
        self.write_to(&self.store.waiting_at_most(UNIT_WAIT), is_hurried)
    }

    fn unwritten(&self) -> u64 {
        let (uses, last_uses) = Waiting::unwritten(self);
        uses + last_uses + self.ends.unwritten()
    }
}

fn is_enough(failures: u8, is_hurried: &dyn Fn() -> bool) -> bool {
    failures >= FAILURES || (failures > 0 && is_hurried())
}

fn write_counts(
    store: &Store,
    counts: &Counts,
    is_hurried: &dyn Fn() -> bool,
) -> Result<FlushOutcome, StoreError> {
    let dropped = counts.take_dropped();
    if dropped > 0 {
        tracing::warn!(uses = dropped, "too many uses of tokens waited: these are not in the usage log");
    }
    let (mut left, mut failures, mut failure) = (FlushOutcome::Nothing, 0, None);
    for batch in counts.take().chunks(BATCH) {
        if is_enough(failures, is_hurried) {
            counts.requeue(batch);
            counts.settle(batch);
            continue;
        }
        let written = write_batch(store, counts, batch);
        counts.settle(batch);
        match written {
            Ok(FlushOutcome::Nothing) => failures = 0,
            Ok(FlushOutcome::Something) => (left, failures) = (FlushOutcome::Something, 0),
            Err(error) => (failure, failures) = (Some(error), failures + 1),
        }
    }
    failure.map_or(Ok(left), Err)
}

/// Writes a batch; what has to be tried again waits again.
fn write_batch(store: &Store, counts: &Counts, batch: &[Counted]) -> Result<FlushOutcome, StoreError> {
    match (add(store, batch), batch) {
        (Ok(held), _) => {
            counts.requeue(&held);
            Ok(if held.is_empty() { FlushOutcome::Nothing } else { FlushOutcome::Something })
        }
        // No row is to blame for these.
        (Err(error @ (StoreError::Unavailable(_) | StoreError::Unusable(_))), _) => {
            counts.requeue(batch);
            Err(error)
        }
        (Err(error), [(combination, tally)]) => {
            let (token, uses) = (combination.token_id, tally.count);
            tracing::error!(%error, %token, uses, "these uses cannot be in the usage log");
            Ok(FlushOutcome::Nothing)
        }
        // What is wrong with one row must not keep the others out.
        (Err(_), rows) => {
            let (front, back) = rows.split_at(rows.len() / 2);
            let halves = (write_batch(store, counts, front), write_batch(store, counts, back));
            let (front, back) = (halves.0?, halves.1?);
            Ok(if front == FlushOutcome::Nothing { back } else { front })
        }
    }
}

fn add(store: &Store, batch: &[Counted]) -> Result<Vec<Counted>, StoreError> {
    let rows = batch.to_vec();
    store.write_bookkeeping(move |tx| {
        let uses: Vec<(&UsageKey, UsageCount)> =
            rows.iter().map(|(combination, tally)| (&**combination, *tally)).collect();
        let held = tx.add_uses(&uses)?;
        Ok(rows.into_iter().filter(|(combination, _)| held.contains(&combination.token_id)).collect())
    })
}
