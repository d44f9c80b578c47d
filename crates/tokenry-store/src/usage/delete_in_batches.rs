//! Deletes the usage rows of tokens in small units, before the tokens themselves are deleted.
//!
//! Deleting a token cascades to all its usage rows in one unit, for which other writers wait. So the rows are deleted first.

use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Bool},
};
use tokenry_domain::TokenId;

use crate::{
    database_errors::from_diesel,
    error::StoreError,
    schema::token_usage as usage,
    sql_types::{Id, IdValue},
    tx::{AnyConnection, Tx},
};

/// Deletes at most `limit` usage rows of these tokens and returns their number. Fewer than `limit` means that only rows
/// locked by other transactions are left; it never waits for those, so it cannot be part of a deadlock.
///
/// # Errors
/// [`StoreError`].
pub fn delete_in_batches(tx: &mut Tx<'_>, tokens: &[TokenId], limit: u16) -> Result<usize, StoreError> {
    let mut removed = 0;
    for token in tokens {
        let room = usize::from(limit).saturating_sub(removed);
        if room == 0 {
            break;
        }
        removed += delete_for_token(tx, IdValue(token.uuid()), i64::try_from(room).unwrap_or(0))?;
    }
    Ok(removed)
}

/// Deletes the oldest rows of one token. One statement per token, in the order of the key, so that no query plan scans the
/// whole table.
fn delete_for_token(tx: &mut Tx<'_>, token: IdValue, limit: i64) -> Result<usize, StoreError> {
    /// The condition for the oldest rows of the token; each database identifies a row differently.
    macro_rules! oldest {
        ($before:literal, $after:literal) => {
            sql::<Bool>($before)
                .bind::<Id, _>(token)
                .sql(" ORDER BY minute LIMIT ")
                .bind::<BigInt, _>(limit)
                .sql($after)
        };
    }
    let removed = match &mut tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(c) => {
            let rows = oldest!(
                "(token_id, minute, method, route, status, ip, user_agent, seq) IN \
                 (SELECT token_id, minute, method, route, status, ip, user_agent, seq FROM token_usage \
                 WHERE token_id = ",
                ")"
            );
            diesel::delete(usage::table.filter(rows)).execute(&mut **c)
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(c) => {
            let rows = oldest!(
                "ctid = ANY(ARRAY(SELECT ctid FROM token_usage WHERE token_id = ",
                " FOR UPDATE SKIP LOCKED))"
            );
            diesel::delete(usage::table.filter(rows)).execute(&mut **c)
        }
    }
    .map_err(from_diesel)?;
    Ok(removed)
}
