//! A slow comparison that is done elsewhere.

use std::sync::Arc;

use tokenry_domain::SecretHash;

use crate::{
    hash::{Hasher, Match},
    plain::PlainToken,
};

/// The comparison of a token with a stored hash, to be done on another thread. Holds a copy of the token until then.
pub struct Comparison {
    hasher: Arc<Hasher>,
    token: PlainToken,
    stored: SecretHash,
}

impl Comparison {
    /// Of this token with this hash.
    #[must_use]
    pub fn new(hasher: &Arc<Hasher>, token: &PlainToken, stored: &SecretHash) -> Self {
        Self { hasher: hasher.clone(), token: token.duplicate(), stored: stored.clone() }
    }

    /// Does it.
    #[must_use]
    pub fn run(self) -> Match {
        self.hasher.matches(&self.token, &self.stored)
    }
}
