//! The read behind every verification: one row by its unique key, without a runtime.

use tokenry_domain::{Lookup, SecretCheck, SecretHash, Token, User};

use crate::{
    backend::{Backend, Store},
    error::StoreError,
};

/// A token as verification needs it: with its stored secret and its owner, read together.
#[derive(Clone)]
pub struct Credential {
    /// The token.
    pub token: Token,
    /// What its secret must match.
    pub hash: SecretHash,
    /// What refuses a wrong secret first; absent for tokens made elsewhere.
    pub check: Option<SecretCheck>,
    /// Who owns it, as they are now.
    pub owner: User,
}

impl Store {
    /// Reads the token with this public id as it is committed now. The future needs no runtime.
    ///
    /// On SQLite it is ready at once: the read takes microseconds and waits for no writer. On PostgreSQL requests
    /// that wait at the same moment are read in one statement on a connection of their own.
    ///
    /// # Errors
    /// [`StoreError`]; an unknown public id is `None`.
    pub async fn credential(&self, lookup: &Lookup) -> Result<Option<Credential>, StoreError> {
        match &*self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { live, .. } => crate::pool::single_read(live, |c| {
                crate::token::find_credential(&mut crate::backend::Tx::Sqlite(c), lookup)
            }),
            #[cfg(feature = "postgres")]
            Backend::Postgres { live, .. } => live.read(lookup).await,
        }
    }
}
