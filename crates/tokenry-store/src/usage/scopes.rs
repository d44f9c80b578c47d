//! The last use of each scope of a token.

use std::collections::HashSet;

use diesel::{dsl::sql, prelude::*};
use tokenry_domain::{Scope, ScopeSet, TokenId, UnixMillis};

use super::{existing, lock_existing};
use crate::{
    convert::parsed,
    error::StoreError,
    macros::on,
    schema::token_scope_uses as uses,
    sql_types::{IdValue, Instant, InstantValue},
    tx::Tx,
};

/// A use of a scope that a token has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScopeUse {
    /// The token.
    pub token_id: TokenId,
    /// The scope.
    pub scope: Scope,
    /// The instant of the use.
    pub at: UnixMillis,
}

/// Updates the last use of scopes; an older use never overwrites a newer one. `used` must be sorted and without
/// duplicates, so that concurrent nodes lock rows in the same order. Uses of deleted tokens are dropped. Returns the tokens
/// that are locked by other transactions, whose uses were not written.
///
/// # Errors
/// [`StoreError`].
pub fn mark(tx: &mut Tx<'_>, used: &[ScopeUse]) -> Result<HashSet<TokenId>, StoreError> {
    let mut ids: Vec<TokenId> = used.iter().map(|scope_use| scope_use.token_id).collect();
    ids.dedup();
    let locked = lock_existing(tx, &ids)?;
    let others: Vec<TokenId> = ids.into_iter().filter(|id| !locked.contains(id)).collect();
    let skipped = if others.is_empty() { HashSet::new() } else { existing(tx, &others)? };
    let rows: Vec<Row> =
        used.iter().filter(|scope_use| locked.contains(&scope_use.token_id)).map(Row::from).collect();
    if rows.is_empty() {
        return Ok(skipped);
    }
    on!(tx, |c| diesel::insert_into(uses::table)
        .values(&rows)
        .on_conflict((uses::token_id, uses::scope))
        .do_update()
        .set(uses::last_used_at.eq(sql::<Instant>(LATER)))
        .execute(c))?;
    Ok(skipped)
}

const LATER: &str = "CASE WHEN excluded.last_used_at > token_scope_uses.last_used_at THEN excluded.last_used_at \
                     ELSE token_scope_uses.last_used_at END";

/// The last use of each scope of a token; scopes that were never used are left out.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, token: TokenId) -> Result<Vec<(Scope, UnixMillis)>, StoreError> {
    let query = uses::table.filter(uses::token_id.eq(IdValue(token.uuid()))).order(uses::scope);
    let rows: Vec<(String, InstantValue)> =
        on!(tx, |c| query.select((uses::scope, uses::last_used_at)).load(c))?;
    rows.into_iter().map(|(scope, at)| Ok((parsed("token_scope_uses.scope", &scope)?, at.0))).collect()
}

/// Deletes the uses of all other scopes of a token, so that a token has no more rows than scopes.
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
