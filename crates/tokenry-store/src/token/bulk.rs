//! Many tokens at once: what an import writes, faster than one by one.

use diesel::prelude::*;
use tokenry_domain::Token;

use super::row::{SecretRow, TokenRow};
use crate::{backend::Tx, error::StoreError, live::StoredSecret, schema::personal_access_tokens as tokens};

/// A token that was made elsewhere.
#[derive(Clone)]
pub struct Import {
    /// The token.
    pub token: Token,
    /// What a presented secret must match. Without a proof if its strength is not known.
    pub secret: StoredSecret,
}

/// Rows of one statement on PostgreSQL, where a statement has at most 65,535 parameters and a row 26.
#[cfg(feature = "postgres")]
const ROWS: usize = 1000;

/// Adds tokens, all or none, without an audit event; [`StoreError::Conflict`] when a public id is taken or an owner
/// gone. A unit of work should bring some thousands.
///
/// # Errors
/// [`StoreError`].
pub fn insert_many(tx: &mut Tx<'_>, imports: &[Import]) -> Result<(), StoreError> {
    match tx {
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(c) => {
            // A statement for many rows is prepared anew each time; the one for a single row is prepared once.
            for import in imports {
                diesel::insert_into(tokens::table).values(values(import)).execute(&mut **c)?;
            }
        }
        #[cfg(feature = "postgres")]
        Tx::Postgres(c) => {
            for chunk in imports.chunks(ROWS) {
                let rows: Vec<_> = chunk.iter().map(values).collect();
                diesel::insert_into(tokens::table).values(rows).execute(&mut **c)?;
            }
        }
    }
    Ok(())
}

fn values(import: &Import) -> (TokenRow, SecretRow) {
    (TokenRow::from(&import.token), SecretRow::from(&import.secret))
}
