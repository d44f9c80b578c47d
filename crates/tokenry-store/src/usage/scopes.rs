//! When each scope of a token was last asked for.

use std::collections::HashSet;

use diesel::{dsl::sql, prelude::*};
use tokenry_domain::{Scope, ScopeSet, TokenId, UnixMillis};

use super::{existing, keep};
use crate::{
    backend::Tx,
    convert::parsed,
    error::StoreError,
    macros::on,
    schema::token_scope_uses as uses,
    sql_types::{IdValue, Instant, InstantValue},
};

/// A scope that a token holds, and when it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScopeUse {
    /// The token.
    pub token_id: TokenId,
    /// The scope.
    pub scope: Scope,
    /// When.
    pub at: UnixMillis,
}

/// Writes the newest use of scopes, which goes forward only. They must be sorted and different, so that nodes that write
/// the same rows never wait for each other crosswise. Those of tokens that are gone are dropped; the result is the tokens
/// that somebody else holds at this moment, whose uses were not written.
///
/// # Errors
/// [`StoreError`].
pub fn mark(tx: &mut Tx<'_>, used: &[ScopeUse]) -> Result<HashSet<TokenId>, StoreError> {
    let mut ids: Vec<TokenId> = used.iter().map(|it| it.token_id).collect();
    ids.dedup();
    let kept = keep(tx, &ids)?;
    let others: Vec<TokenId> = ids.into_iter().filter(|id| !kept.contains(id)).collect();
    let held = if others.is_empty() { HashSet::new() } else { existing(tx, &others)? };
    let of_kept = used.iter().filter(|it| kept.contains(&it.token_id));
    let rows: Vec<Row> = of_kept.map(Row::from).collect();
    if rows.is_empty() {
        return Ok(held);
    }
    on!(tx, |c| diesel::insert_into(uses::table)
        .values(&rows)
        .on_conflict((uses::token_id, uses::scope))
        .do_update()
        .set(uses::last_used_at.eq(sql::<Instant>(LATER)))
        .execute(c))?;
    Ok(held)
}

const LATER: &str = "CASE WHEN excluded.last_used_at > token_scope_uses.last_used_at THEN excluded.last_used_at \
                     ELSE token_scope_uses.last_used_at END";

/// When each scope of a token was last asked for; those that never were are not in it.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, token: TokenId) -> Result<Vec<(Scope, UnixMillis)>, StoreError> {
    let query = uses::table.filter(uses::token_id.eq(IdValue(token.uuid()))).order(uses::scope);
    let rows: Vec<(String, InstantValue)> =
        on!(tx, |c| query.select((uses::scope, uses::last_used_at)).load(c))?;
    let read = |(scope, at): (String, InstantValue)| Ok((parsed("token_scope_uses.scope", &scope)?, at.0));
    rows.into_iter().map(read).collect()
}

/// Forgets the scopes of a token but for these, so that a token whose scopes are changed often has no more rows than scopes.
///
/// # Errors
/// [`StoreError`].
pub fn keep_only(tx: &mut Tx<'_>, token: TokenId, scopes: &ScopeSet) -> Result<(), StoreError> {
    let others = uses::table
        .filter(uses::token_id.eq(IdValue(token.uuid())))
        .filter(uses::scope.ne_all(scopes.to_texts()));
    on!(tx, |c| diesel::delete(others).execute(c))?;
    Ok(())
}

#[derive(Insertable)]
#[diesel(table_name = uses, treat_none_as_default_value = false)]
struct Row {
    token_id: IdValue,
    scope: String,
    last_used_at: InstantValue,
}

impl From<&ScopeUse> for Row {
    fn from(used: &ScopeUse) -> Self {
        Self {
            token_id: IdValue(used.token_id.uuid()),
            scope: used.scope.to_string(),
            last_used_at: InstantValue(used.at),
        }
    }
}
