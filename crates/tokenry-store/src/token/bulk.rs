//! Inserts many tokens at once, for imports.

use diesel::prelude::*;
use tokenry_domain::Token;

use super::row::{SecretRow, TokenRow};
use crate::{
    credential::StoredSecret,
    database_errors::from_diesel,
    error::StoreError,
    schema::personal_access_tokens as tokens,
    tx::{AnyConnection, Tx},
};

/// A token that was created by another system.
#[derive(Clone)]
pub struct ImportedToken {
    /// The token.
    pub token: Token,
    /// The stored secret; without a proof if the strength of the secret is unknown.
    pub secret: StoredSecret,
}

/// Rows per statement on PostgreSQL, where a statement has at most 65,535 parameters and a row 27.
#[cfg(feature = "postgres")]
const MAX_ROWS: usize = 1000;

/// Inserts all tokens or none, without an audit event; [`StoreError::Conflict`] when a public id is taken or an owner does
/// not exist. A unit of work should insert some thousands.
///
/// # Errors
/// [`StoreError`].
pub fn insert_many(tx: &mut Tx<'_>, imports: &[ImportedToken]) -> Result<(), StoreError> {
    match &mut tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(c) => {
            // The statement for a single row is cached; one for many rows would be prepared each time.
            for import in imports {
                diesel::insert_into(tokens::table)
                    .values(values(import))
                    .execute(&mut **c)
                    .map_err(from_diesel)?;
            }
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(c) => {
            for chunk in imports.chunks(MAX_ROWS) {
                let rows: Vec<_> = chunk.iter().map(values).collect();
                diesel::insert_into(tokens::table).values(rows).execute(&mut **c).map_err(from_diesel)?;
            }
        }
    }
    Ok(())
}

fn values(import: &ImportedToken) -> (TokenRow, SecretRow) {
    (TokenRow::from(&import.token), SecretRow::from(&import.secret))
}
