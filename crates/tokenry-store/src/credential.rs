//! What a verification reads: tokens with their stored secrets and owners.

use tokenry_domain::{PublicId, SecretCheck, SecretHash, SecretProof, Token, UnixMillis, User};

/// A token with its stored secret and its owner, read together for verification.
#[derive(Clone)]
pub struct Credential {
    /// The token.
    pub token: Token,
    /// The values that a presented secret is compared with.
    pub secret: StoredSecret,
    /// The current state of its owner.
    pub owner: User,
}

/// The stored values of a secret.
#[derive(Clone)]
pub struct StoredSecret {
    /// The hash that the secret must match.
    pub hash: SecretHash,
    /// Accepts or rejects a secret without a slow hash. Absent until a slow hash has matched once, always absent for fast
    /// hashes and for imported secrets of unknown strength.
    pub proof: Option<SecretProof>,
    /// Rejects a wrong secret where there is no proof yet; only rows from before proofs existed have it.
    pub check: Option<SecretCheck>,
}

impl From<SecretHash> for StoredSecret {
    /// A secret without a proof.
    fn from(hash: SecretHash) -> Self {
        Self { hash, proof: None, check: None }
    }
}

/// A credential with a retired secret: the secret is the one before a rotation, the token is the current one.
#[derive(Clone)]
pub struct RetiredCredential {
    /// The token, with the old secret.
    pub credential: Credential,
    /// The old public id.
    pub public_id: PublicId,
    /// When it was replaced.
    pub retired_at: UnixMillis,
    /// From this instant on the old secret is rejected.
    pub valid_until: UnixMillis,
    /// When it was ended permanently; independent of the clock.
    pub ended_at: Option<UnixMillis>,
    /// When a use after the grace period was last recorded.
    pub reused_at: Option<UnixMillis>,
}
