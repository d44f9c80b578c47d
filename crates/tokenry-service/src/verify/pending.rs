//! Proofs and hashes that wait to be written behind the answers.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokenry_domain::{PublicId, TokenId, UnixMillis};
use tokenry_store::{
    Store, StoreError,
    proof::{self, ProvenSecret},
};

/// How many proofs wait at most; of more the later uses remind.
const WAITING: usize = 10_000;
/// How many are written at once.
const BATCH: usize = 200;
/// After a failure nothing is written for so long.
const PAUSE: Duration = Duration::from_secs(10);

/// What waits to be written. The uses that come meanwhile find it there and do not ask for it again.
#[derive(Clone, Default)]
pub(crate) struct PendingRewrites(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    proofs: HashMap<PublicId, ProvenSecret>,
    is_writing: bool,
    upgrading: HashSet<TokenId>,
    failed_at: Option<UnixMillis>,
}

impl PendingRewrites {
    /// Adds a proof; whoever gets the writing has to run it.
    pub(super) fn add(&self, secret: ProvenSecret, now: UnixMillis) -> Option<Writing> {
        let mut state = self.locked();
        if state.is_paused(now) || state.proofs.len() >= WAITING {
            return None;
        }
        state.proofs.entry(secret.public_id.clone()).or_insert(secret);
        (!std::mem::replace(&mut state.is_writing, true)).then(|| Writing(self.clone()))
    }

    pub(super) fn begin_upgrade(&self, token_id: TokenId, now: UnixMillis) -> Option<Upgrading> {
        let mut state = self.locked();
        let is_first = !state.is_paused(now) && state.upgrading.insert(token_id);
        is_first.then(|| Upgrading(self.clone(), token_id))
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A clock that was set back ends the pause.
    fn is_paused(&self, now: UnixMillis) -> bool {
        self.failed_at.is_some_and(|failed| failed <= now && now.since(failed) < PAUSE)
    }
}

/// The right to write the proofs that wait.
pub(super) struct Writing(PendingRewrites);

impl Writing {
    pub(super) fn run(&self, store: &Store, now: UnixMillis) {
        while let Some(batch) = self.next() {
            if let Err(error) = write(store, batch) {
                let mut state = self.0.locked();
                state.failed_at = Some(now);
                state.proofs.clear();
                return tracing::warn!(%error, "proofs of secrets were not stored; they are at a later use");
            }
        }
    }

    fn next(&self) -> Option<Vec<ProvenSecret>> {
        let mut state = self.0.locked();
        let keys: Vec<PublicId> = state.proofs.keys().take(BATCH).cloned().collect();
        // In the same step, so that whoever adds one after it gets the writing.
        state.is_writing = !keys.is_empty();
        state.is_writing.then(|| keys.iter().filter_map(|key| state.proofs.remove(key)).collect())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.locked().is_writing = false;
    }
}

/// A hash that is being upgraded.
pub(super) struct Upgrading(PendingRewrites, TokenId);

impl Upgrading {
    pub(super) fn fail(&self, now: UnixMillis) {
        self.0.locked().failed_at = Some(now);
    }
}

impl Drop for Upgrading {
    fn drop(&mut self) {
        self.0.locked().upgrading.remove(&self.1);
    }
}

fn write(store: &Store, batch: Vec<ProvenSecret>) -> Result<(), StoreError> {
    store.write(move |tx| proof::insert_many(tx, &batch)).map(drop)
}
