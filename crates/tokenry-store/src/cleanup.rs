//! What is done about tokens that are dead: told once, and removed when nobody needs to see them any more.

use diesel::prelude::*;
use tokenry_domain::{Horizon, TokenId, UnixMillis, UserId};

use crate::{
    backend::Tx,
    error::StoreError,
    macros::on,
    schema::personal_access_tokens as tokens,
    sql_types::{IdValue, InstantValue},
    token::is_over,
};

/// Unrevoked tokens whose time ran out without the audit log knowing, at most `limit`; they are noted as told at the
/// horizon's instant.
///
/// # Errors
/// [`StoreError`].
pub fn take_expired(
    tx: &mut Tx<'_>,
    horizon: &Horizon,
    limit: u16,
) -> Result<Vec<(TokenId, UserId)>, StoreError> {
    let untold = tokens::table
        .filter(tokens::revoked_at.is_null())
        .filter(tokens::expiry_noted_at.is_null())
        .filter(is_over!(horizon))
        .order(tokens::id)
        .limit(limit.into())
        .select((tokens::id, tokens::user_id));
    // Nodes that clean up at the same moment share the work.
    let found: Vec<(IdValue, IdValue)> = match tx {
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(c) => untold.load(&mut **c),
        #[cfg(feature = "postgres")]
        Tx::Postgres(c) => untold.for_update().skip_locked().load(&mut **c),
    }?;
    let ids: Vec<IdValue> = found.iter().map(|(id, _)| *id).collect();
    let noted = tokens::expiry_noted_at.eq(Some(InstantValue(horizon.now)));
    on!(tx, |c| diesel::update(tokens::table.filter(tokens::id.eq_any(ids))).set(noted).execute(c))?;
    Ok(found.into_iter().map(|(id, user)| (TokenId::from_uuid(id.0), UserId::from_uuid(user.0))).collect())
}

/// Removes tokens that were revoked or ran out before `cutoff`, at most `limit`, with all that belongs to them.
///
/// # Errors
/// [`StoreError`].
pub fn purge_tokens(tx: &mut Tx<'_>, cutoff: UnixMillis, limit: u16) -> Result<usize, StoreError> {
    let cutoff = InstantValue(cutoff);
    let dead = tokens::table
        .filter(
            tokens::revoked_at.lt(cutoff).or(tokens::revoked_at.is_null().and(tokens::expires_at.lt(cutoff))),
        )
        .order(tokens::id)
        .limit(limit.into())
        .select(tokens::id);
    let ids: Vec<IdValue> = on!(tx, |c| dead.load(c))?;
    Ok(on!(tx, |c| diesel::delete(tokens::table.filter(tokens::id.eq_any(ids))).execute(c))?)
}
