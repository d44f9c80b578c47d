//! Removes the uses of tokens that are about to go, in small units before them.
//!
//! Deleting a token takes its uses along, however many there are, all in one unit that others wait for. So they go first.

use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Bool},
};
use tokenry_domain::TokenId;

use crate::{
    backend::Tx,
    error::StoreError,
    schema::token_usage as usage,
    sql_types::{Id, IdValue},
};

/// Removes uses of these tokens, at most `limit` rows, and says how many rows; fewer than `limit` when no more are left
/// but those that somebody writes at this moment. It never waits for them, so it cannot be part of a deadlock.
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
        removed += drain_one(tx, IdValue(token.uuid()), i64::try_from(room).unwrap_or(0))?;
    }
    Ok(removed)
}

// One token a statement, in the order of the key: however the rows are spread, no plan reads the whole table.
fn drain_one(tx: &mut Tx<'_>, token: IdValue, limit: i64) -> Result<usize, StoreError> {
    /// The oldest rows of the token; each database names a row in its own way.
    macro_rules! oldest {
        ($before:literal, $after:literal) => {
            sql::<Bool>($before)
                .bind::<Id, _>(token)
                .sql(" ORDER BY minute LIMIT ")
                .bind::<BigInt, _>(limit)
                .sql($after)
        };
    }
    let removed = match tx {
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(c) => {
            let rows = oldest!(
                "(token_id, minute, method, route, status, ip, user_agent, seq) IN \
                 (SELECT token_id, minute, method, route, status, ip, user_agent, seq FROM token_usage \
                 WHERE token_id = ",
                ")"
            );
            diesel::delete(usage::table.filter(rows)).execute(&mut **c)
        }
        #[cfg(feature = "postgres")]
        Tx::Postgres(c) => {
            let rows = oldest!(
                "ctid = ANY(ARRAY(SELECT ctid FROM token_usage WHERE token_id = ",
                " FOR UPDATE SKIP LOCKED))"
            );
            diesel::delete(usage::table.filter(rows)).execute(&mut **c)
        }
    }?;
    Ok(removed)
}
