//! Which tokens a slow hash has matched in this process.

use std::sync::Arc;

use quick_cache::sync::Cache;
use tokenry_crypto::Proof;

/// The maximum number of remembered pairs of token and stored hash.
const MAX_PROOFS: usize = 100_000;

/// Remembers that a slow hash matched: an immutable fact, never a verdict. Used for rows without a stored proof, and
/// where the settings require the slow hash once per process. Bounded; about 100 bytes each. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ProofCache(Arc<Cache<Proof, ()>>);

impl ProofCache {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Cache::new(MAX_PROOFS)))
    }

    pub(super) fn contains(&self, proof: &Proof) -> bool {
        self.0.get(proof).is_some()
    }

    pub(super) fn insert(&self, proof: Proof) {
        self.0.insert(proof, ());
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
