//! What is written about a secret behind the answer that let it in: its proof, or a hash by other settings.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokenry_crypto::{PlainToken, SecretRng};
use tokenry_domain::{PublicId, TokenId, UnixMillis};
use tokenry_store::{
    Credential, Store, StoreError,
    proof::{self, ProvenSecret},
    token,
};

use crate::tokenry::Tokenry;

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

impl Tokenry {
    /// Keeps the proof of a secret that its slow hash has matched, unless the row was changed meanwhile. Behind the answer:
    /// a database that cannot be written refuses nobody.
    pub(super) fn keep_proof(&self, plain: &PlainToken, stored: &Credential, now: UnixMillis) {
        let Some(proof) = self.0.hasher.storable_proof(plain, &stored.secret.hash) else { return };
        let (token_id, public_id) = (stored.token.id, plain.public_id());
        let secret = ProvenSecret { token_id, public_id, hash: stored.secret.hash.clone(), proof };
        let Some(writing) = self.0.pending_rewrites.add(secret, now) else { return };
        let store = self.0.store.clone();
        // Without a place there a later use brings it about.
        let _ = self.0.alarms.submit(move || writing.run(&store, now));
    }

    /// Stores the hash that the settings ask for now, unless the token was ended or changed meanwhile.
    pub(super) fn upgrade_hash(&self, plain: PlainToken, stored: &Credential, now: UnixMillis) {
        let (token_id, old) = (stored.token.id, stored.secret.hash.clone());
        let Some(upgrading) = self.0.pending_rewrites.begin_upgrade(token_id, now) else { return };
        let (hasher, store) = (self.0.hasher.clone(), self.0.store.clone());
        // What does not find a place is upgraded at a later use.
        let _ = self.0.rewrites.submit(move || {
            let new = match hasher.hash(&plain, &mut SecretRng::os()) {
                Ok(new) => new,
                Err(error) => return tracing::warn!(%token_id, %error, "a stored hash was not upgraded"),
            };
            let proof = hasher.storable_proof(&plain, &new);
            let upgraded =
                store.write(move |tx| token::replace_hash(tx, token_id, &old, &new, proof.as_ref()));
            if let Err(error) = upgraded {
                upgrading.fail(now);
                tracing::warn!(%token_id, %error, "a stored hash was not upgraded");
            }
        });
    }
}

impl PendingRewrites {
    /// Adds a proof; whoever gets the writing has to run it.
    fn add(&self, secret: ProvenSecret, now: UnixMillis) -> Option<Writing> {
        let mut state = self.locked();
        if state.is_paused(now) || state.proofs.len() >= WAITING {
            return None;
        }
        state.proofs.entry(secret.public_id.clone()).or_insert(secret);
        (!std::mem::replace(&mut state.is_writing, true)).then(|| Writing(self.clone()))
    }

    fn begin_upgrade(&self, token_id: TokenId, now: UnixMillis) -> Option<Upgrading> {
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
struct Writing(PendingRewrites);

impl Writing {
    fn run(&self, store: &Store, now: UnixMillis) {
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
struct Upgrading(PendingRewrites, TokenId);

impl Upgrading {
    fn fail(&self, now: UnixMillis) {
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
