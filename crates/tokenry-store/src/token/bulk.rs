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

/// Rows per statement on SQLite. It saves each page that a statement changes beforehand, since a trigger counts the tokens;
/// and a statement for a fixed number of rows is cached.
#[cfg(feature = "sqlite")]
const BLOCK: usize = 32;

/// Inserts all tokens or none, without an audit event; [`StoreError::Conflict`] when a public id is taken or an owner does
/// not exist. A unit of work should insert some thousands.
///
/// # Errors
/// [`StoreError`].
pub fn insert_many(tx: &mut Tx<'_>, imports: &[ImportedToken]) -> Result<(), StoreError> {
    match &mut tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(c) => {
            let (blocks, rest) = imports.as_chunks::<BLOCK>();
            for block in blocks {
                let rows = block.each_ref().map(values);
                diesel::insert_into(tokens::table).values(rows).execute(&mut **c).map_err(from_diesel)?;
            }
            for import in rest {
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
