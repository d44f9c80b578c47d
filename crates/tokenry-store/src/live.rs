//! The read behind every verification: one row by its unique key, without a runtime.

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use tokenry_domain::{PublicId, SecretCheck, SecretHash, SecretProof, Token, UnixMillis, User};

use crate::{
    backend::{Backend, Store},
    error::StoreError,
};

/// A token as verification needs it: with its stored secret and its owner, read together.
#[derive(Clone)]
pub struct Credential {
    /// The token.
    pub token: Token,
    /// What a presented secret is compared with.
    pub secret: StoredSecret,
    /// Who owns it, as they are now.
    pub owner: User,
}

/// What is kept of a secret.
#[derive(Clone)]
pub struct StoredSecret {
    /// What the secret must match.
    pub hash: SecretHash,
    /// What proves or refuses a secret without a slow hash; absent until that hash has matched once, where it is fast,
    /// and always for secrets of unknown strength that were made elsewhere.
    pub proof: Option<SecretProof>,
    /// What refuses a wrong secret where there is no proof yet; only rows of before there were proofs have it.
    pub check: Option<SecretCheck>,
}

impl From<SecretHash> for StoredSecret {
    /// Without a proof.
    fn from(hash: SecretHash) -> Self {
        Self { hash, proof: None, check: None }
    }
}

/// A credential whose secret a rotation took out of use: the secret is the old one, the token is as it is now.
#[derive(Clone)]
pub struct RetiredCredential {
    /// The token, with the old secret.
    pub credential: Credential,
    /// The old public id.
    pub public_id: PublicId,
    /// When it was replaced.
    pub retired_at: UnixMillis,
    /// From this instant on the old secret is refused.
    pub valid_until: UnixMillis,
    /// Since when it is over for good, whatever the clock says.
    pub ended_at: Option<UnixMillis>,
    /// When a use after that was last told.
    pub reused_at: Option<UnixMillis>,
}

impl Store {
    /// Reads the token with this public id as it is committed now. The future needs no runtime.
    ///
    /// On SQLite it is ready at once: the read takes microseconds and waits for no writer. On PostgreSQL requests
    /// that wait at the same moment are read in one statement on a connection of their own.
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

    /// Reads the retired secret with this public id; asked only when [`credential`](Self::credential) has no match.
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
