//! The live read of every verification: one row by its unique key, without an async runtime.

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use tokenry_domain::{PublicId, SecretCheck, SecretHash, SecretProof, Token, UnixMillis, User};

use crate::{
    backend::{Backend, Store},
    error::StoreError,
};

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

impl Store {
    /// Reads the committed state of the token with this public id. The future needs no runtime.
    ///
    /// On SQLite the future is ready at once: the read takes microseconds and waits for no writer. On PostgreSQL
    /// concurrent reads share one statement on a dedicated connection.
    ///
    /// # Errors
    /// [`StoreError`]; an unknown public id is `None`.
    pub async fn credential(&self, public_id: &PublicId) -> Result<Option<Credential>, StoreError> {
        match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { live, .. } => live.current(public_id),
            #[cfg(feature = "postgres")]
            Backend::Postgres { live, .. } => live.current(public_id).await,
        }
    }

    /// Reads the retired secret with this public id; used when [`credential`](Self::credential) has no match.
    ///
    /// # Errors
    /// [`StoreError`]; an unknown public id is `None`.
    pub async fn retired_credential(
        &self,
        public_id: &PublicId,
    ) -> Result<Option<RetiredCredential>, StoreError> {
        match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { live, .. } => live.retired(public_id),
            #[cfg(feature = "postgres")]
            Backend::Postgres { live, .. } => live.retired(public_id).await,
        }
    }
}
