//! The proof that a token matches a stored hash, verified without computing that hash.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokenry_domain::{SecretHash, SecretProof};

use crate::plain::PlainToken;

/// SHA-256("tokenry proof v1" ‖ token ‖ stored hash text). Once the token is known to match the stored hash, an equal proof
/// shows that the same token was presented. `Eq` and `Hash` are for cache keys only; compare with a stored proof by
/// [`matches`](Self::matches). Not `Debug`: it would identify the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Proof([u8; 32]);

impl Proof {
    /// The proof for this token and stored hash. The input is unambiguous: a token contains no `$`, and every stored hash
    /// begins with one.
    #[must_use]
    pub fn new(token: &PlainToken, stored: &SecretHash) -> Self {
        Self::of(token.as_bytes(), stored)
    }

    /// Whether it equals the stored proof, compared in constant time.
    #[must_use]
    pub fn matches(&self, stored: &SecretProof) -> bool {
        stored.as_bytes().is_some_and(|bytes| self.0.ct_eq(bytes).into())
    }

    /// The value to store; [`Hasher::storable_proof`](crate::Hasher::storable_proof) decides whether it may be stored.
    pub(crate) fn to_stored(self) -> SecretProof {
        SecretProof::new(self.0)
    }

    fn of(token: &[u8], stored: &SecretHash) -> Self {
        let digest =
            Sha256::new().chain_update(b"tokenry proof v1").chain_update(token).chain_update(stored.as_str());
        Self(digest.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(Proof: std::fmt::Debug, std::fmt::Display);
    static_assertions::assert_not_impl_any!(SecretProof: std::fmt::Debug, PartialEq);

    fn stored(text: &str) -> SecretHash {
        SecretHash::from_stored(text.to_owned())
    }

    #[test]
    fn a_proof_depends_on_the_token_and_the_stored_hash() {
        let proof = Proof::of(b"ab", &stored("$c"));
        assert!(proof == Proof::of(b"ab", &stored("$c")));
        assert!(proof != Proof::of(b"a", &stored("$c")));
        assert!(proof != Proof::of(b"ab", &stored("$d")));
    }

    #[test]
    fn a_stored_proof_matches_its_own_pair_and_nothing_of_another_length() {
        let (one, other) = (Proof::of(b"a", &stored("$1")), Proof::of(b"a", &stored("$2")));
        assert!(one.matches(&one.to_stored()) && !one.matches(&other.to_stored()));
        for length in [0, 1, 8, 31, 33, 64] {
            let bytes: Vec<u8> = one.0.iter().copied().cycle().take(length).collect();
            assert!(!one.matches(&SecretProof::from_stored(&bytes)), "{length}");
        }
        assert!(one.matches(&SecretProof::from_stored(&one.0)));
    }

    #[test]
    fn the_digest_of_a_proof_is_stable() {
        let proof = Proof::of(b"token", &stored("$hash"));
        let plain: [u8; 32] = Sha256::digest(b"tokenry proof v1token$hash").into();
        assert!(proof.0 == plain);
    }
}
