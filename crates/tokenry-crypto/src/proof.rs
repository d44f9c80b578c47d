//! The key of a cache of proofs.

use sha2::{Digest as _, Sha256};
use tokenry_domain::SecretHash;

/// Names the immutable fact that one token matches one stored hash: a digest of both. Whoever computes an equal one
/// holds the same token. Not `Debug`: it would identify the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Proof([u8; 32]);

impl Proof {
    pub(crate) fn new(token: &[u8], stored: &SecretHash) -> Self {
        let length = u64::try_from(token.len()).unwrap_or(u64::MAX).to_be_bytes();
        let digest = Sha256::new()
            .chain_update(b"tokenry proof v1")
            .chain_update(length)
            .chain_update(token)
            .chain_update(stored.as_str());
        Self(digest.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(Proof: std::fmt::Debug, std::fmt::Display);

    #[test]
    fn a_proof_is_of_one_token_and_one_stored_hash() {
        let stored = |text: &str| SecretHash::from_stored(text.to_owned());
        let proof = Proof::new(b"ab", &stored("c"));
        assert!(proof == Proof::new(b"ab", &stored("c")));
        assert!(proof != Proof::new(b"a", &stored("bc")));
        assert!(proof != Proof::new(b"ab", &stored("d")));
    }
}
