//! What is done about tokens that are dead: told once, and removed when nobody needs to see them any more.
//!
//! The table is walked once, span by span, by reading; what was found is changed in small units that look again. So no unit
//! searches while others wait for it, and the work grows with the table and not with its square.

use diesel::prelude::*;
use tokenry_domain::{Horizon, TokenId, UnixMillis, UserId};

use crate::{
    backend::Tx,
    error::StoreError,
    macros::on,
    schema::personal_access_tokens as tokens,
    sql_types::{IdValue, InstantValue},
    token::is_over,
    usage,
};

/// How many tokens one read looks at: milliseconds.
const SPAN: i64 = 10_000;

/// A part of all tokens in the order of their ids.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    after: Option<IdValue>,
    /// `None` in the last span, which has no end.
    last: Option<IdValue>,
}

/// The span behind `before`, the first one without it; `None` behind the last.
///
/// # Errors
/// [`StoreError`].
pub fn next_span(tx: &mut Tx<'_>, before: Option<Span>) -> Result<Option<Span>, StoreError> {
    let after = match before {
        None => None,
        Some(Span { last: None, .. }) => return Ok(None),
        Some(Span { last, .. }) => last,
    };
    let last: Option<IdValue> = on!(tx, |c| {
        let mut ids = tokens::table.select(tokens::id).into_boxed::<Db>();
        if let Some(after) = after {
            ids = ids.filter(tokens::id.gt(after));
        }
        ids.order(tokens::id).offset(SPAN - 1).limit(1).get_result(c).optional()
    })?;
    Ok(Some(Span { after, last }))
}

/// The ids of one span, as a boxed query of one backend.
macro_rules! within {
    ($Db:ty, $span:expr) => {{
        let mut ids = tokens::table.select(tokens::id).into_boxed::<$Db>();
        if let Some(after) = $span.after {
            ids = ids.filter(tokens::id.gt(after));
        }
        if let Some(last) = $span.last {
            ids = ids.filter(tokens::id.le(last));
        }
        ids
    }};
}

/// Whether a token's time ran out without the audit log knowing. Revocations tell by themselves.
macro_rules! is_untold {
    ($horizon:expr) => {
        tokens::revoked_at.is_null().and(tokens::expiry_noted_at.is_null()).and(is_over!($horizon))
    };
}

/// Whether a token was revoked or ran out before an instant.
macro_rules! is_dead {
    ($cutoff:expr) => {
        tokens::revoked_at.lt($cutoff).or(tokens::revoked_at.is_null().and(tokens::expires_at.lt($cutoff)))
    };
}

/// Unrevoked tokens of a span whose time ran out without the audit log knowing.
///
/// # Errors
/// [`StoreError`].
pub fn find_expired(tx: &mut Tx<'_>, horizon: &Horizon, span: Span) -> Result<Vec<TokenId>, StoreError> {
    let found: Vec<IdValue> = on!(tx, |c| within!(Db, span).filter(is_untold!(horizon)).load(c))?;
    Ok(token_ids(&found))
}

/// Notes those of `ids` as told, at the horizon's instant, that still are to be told of, and says whose they are. Tokens
/// that somebody else holds at this moment are left for the next cleanup.
///
/// # Errors
/// [`StoreError`].
pub fn take_expired(
    tx: &mut Tx<'_>,
    horizon: &Horizon,
    ids: &[TokenId],
) -> Result<Vec<(TokenId, UserId)>, StoreError> {
    let untold = tokens::table
        .filter(tokens::id.eq_any(values(ids)))
        .filter(is_untold!(horizon))
        .select((tokens::id, tokens::user_id));
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

/// Tokens of a span that were revoked or ran out before `cutoff`.
///
/// # Errors
/// [`StoreError`].
pub fn find_dead(tx: &mut Tx<'_>, cutoff: UnixMillis, span: Span) -> Result<Vec<TokenId>, StoreError> {
    let cutoff = InstantValue(cutoff);
    let found: Vec<IdValue> = on!(tx, |c| within!(Db, span).filter(is_dead!(cutoff)).load(c))?;
    Ok(token_ids(&found))
}

/// Removes uses of those of `ids` that were revoked or ran out before `cutoff`, at most `limit` rows, and says how many rows;
/// fewer than `limit` when [`purge_tokens`] is left next to none.
///
/// # Errors
/// [`StoreError`].
pub fn drain_dead(
    tx: &mut Tx<'_>,
    cutoff: UnixMillis,
    ids: &[TokenId],
    limit: u16,
) -> Result<usize, StoreError> {
    let cutoff = InstantValue(cutoff);
    let dead =
        tokens::table.filter(tokens::id.eq_any(values(ids))).filter(is_dead!(cutoff)).select(tokens::id);
    let found: Vec<IdValue> = on!(tx, |c| dead.load(c))?;
    usage::drain(tx, &token_ids(&found), limit)
}

/// Removes those of `ids` that were revoked or ran out before `cutoff`, with all that belongs to them, and says how many.
/// Tokens that somebody else holds at this moment are left for the next cleanup, so that nobody waits crosswise.
///
/// # Errors
/// [`StoreError`].
pub fn purge_tokens(tx: &mut Tx<'_>, cutoff: UnixMillis, ids: &[TokenId]) -> Result<usize, StoreError> {
    let cutoff = InstantValue(cutoff);
    let dead =
        tokens::table.filter(tokens::id.eq_any(values(ids))).filter(is_dead!(cutoff)).select(tokens::id);
    let found: Vec<IdValue> = match tx {
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(c) => dead.load(&mut **c),
        #[cfg(feature = "postgres")]
        Tx::Postgres(c) => dead.for_update().skip_locked().load(&mut **c),
    }?;
    Ok(on!(tx, |c| diesel::delete(tokens::table.filter(tokens::id.eq_any(found))).execute(c))?)
}

fn values(ids: &[TokenId]) -> Vec<IdValue> {
    ids.iter().map(|id| IdValue(id.uuid())).collect()
}

fn token_ids(values: &[IdValue]) -> Vec<TokenId> {
    values.iter().map(|id| TokenId::from_uuid(id.0)).collect()
}
