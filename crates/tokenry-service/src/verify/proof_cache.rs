//! What slow hashes have decided in this process.

use std::sync::Arc;

use quick_cache::sync::Cache;
use tokenry_crypto::Proof;

/// The maximum number of remembered pairs of secret and stored hash that match.
const MAX_PROOFS: usize = 100_000;
/// The maximum number of remembered pairs that do not.
const MAX_MISMATCHES: usize = 10_000;

/// Remembers which pairs of secret and stored hash a slow hash has compared with one result: an immutable fact, never a
/// verdict. Used for rows without a stored proof, and where the settings require the slow hash once per process. Bounded;
/// about 100 bytes each. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ProofCache(Arc<Cache<Proof, ()>>);

impl ProofCache {
    /// For pairs that match.
    pub(crate) fn of_matches() -> Self {
        Self(Arc::new(Cache::new(MAX_PROOFS)))
    }

    /// For pairs that do not match.
    pub(crate) fn of_mismatches() -> Self {
        Self(Arc::new(Cache::new(MAX_MISMATCHES)))
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
