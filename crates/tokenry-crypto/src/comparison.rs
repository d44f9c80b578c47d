//! A slow comparison that runs on another thread.

use std::sync::Arc;

use tokenry_domain::SecretHash;

use crate::{
    hash::{Hasher, Match},
    plain::PlainToken,
};

/// A comparison of a token with a stored hash that can run on another thread. Contains a copy of the token until it runs.
pub struct Comparison {
    hasher: Arc<Hasher>,
    token: PlainToken,
    stored: SecretHash,
}

impl Comparison {
    /// Prepares the comparison.
    #[must_use]
    pub fn new(hasher: &Arc<Hasher>, token: &PlainToken, stored: &SecretHash) -> Self {
        Self { hasher: hasher.clone(), token: token.duplicate(), stored: stored.clone() }
    }

    /// Runs the comparison.
    #[must_use]
    pub fn run(self) -> Match {
        self.hasher.matches(&self.token, &self.stored)
    }
}
