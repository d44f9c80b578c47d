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

use super::rows::Rows;

/// The maximum number of pending proofs; later uses add the others again.
const MAX_PENDING: usize = 10_000;
/// How many are written in one transaction.
const BATCH: usize = 200;
/// How long writing pauses after a failure.
const PAUSE: Duration = Duration::from_secs(10);

/// Proofs and upgrades that are pending, so that concurrent uses do not submit them again.
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
    /// Adds a proof. A caller that receives a [`Writing`] must run it.
    pub(super) fn add(&self, secret: ProvenSecret, now: UnixMillis) -> Option<Writing> {
        let mut state = self.locked();
        if state.is_paused(now) || state.proofs.len() >= MAX_PENDING {
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
        // No code panics while holding the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether writing pauses after a failure; a clock that was set back ends the pause.
    fn is_paused(&self, now: UnixMillis) -> bool {
        self.failed_at.is_some_and(|failed| failed <= now && now.since(failed) < PAUSE)
    }
}

/// The exclusive right to write the pending proofs.
pub(super) struct Writing(PendingRewrites);

impl Writing {
    pub(super) fn run(&self, store: &Store, rows: &Rows, now: UnixMillis) {
        while let Some(batch) = self.next() {
            let public_ids: Vec<PublicId> = batch.iter().map(|secret| secret.public_id.clone()).collect();
            let written = write(store, batch);
            // The next use reads the proof; it has no event that would tell the nodes.
            public_ids.iter().for_each(|public_id| rows.forget(public_id));
            if let Err(error) = written {
                let mut state = self.0.locked();
                state.failed_at = Some(now);
                state.proofs.clear();
                return tracing::warn!(%error, "proofs of secrets were not stored; a later use retries");
            }
        }
    }

    fn next(&self) -> Option<Vec<ProvenSecret>> {
        let mut state = self.0.locked();
        let keys: Vec<PublicId> = state.proofs.keys().take(BATCH).cloned().collect();
        // Under the same lock, so that a later `add` returns a new `Writing`.
        state.is_writing = !keys.is_empty();
        state.is_writing.then(|| keys.iter().filter_map(|key| state.proofs.remove(key)).collect())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.locked().is_writing = false;
    }
}

/// A running upgrade of a hash.
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
