//! What is done about tokens that are dead: told once, and removed when nobody needs to see them any more.
//!
//! The table is walked once, span by span, by reading; what was found is changed in small units that look again. So no unit
//! searches while others wait for it, and the work grows with the table and not with its square.

use diesel::{dsl::not, prelude::*};
use tokenry_domain::{ExpiryCutoffs, TokenId, UnixMillis, UserId};

use crate::{
    backend::Tx,
    error::StoreError,
    macros::on,
    schema::personal_access_tokens as tokens,
    sql_types::{IdValue, InstantValue},
    token::is_expired,
    usage,
};

/// How many tokens one read looks at: milliseconds.
const SPAN: i64 = 10_000;

/// A part of all tokens in the order of their ids.
#[derive(Debug, Clone, Copy)]
pub struct CleanupRange {
    after: Option<IdValue>,
    /// `None` in the last span, which has no end.
    last: Option<IdValue>,
}

/// The span behind `before`, the first one without it; `None` behind the last.
///
/// # Errors
/// [`StoreError`].
pub fn next_range(tx: &mut Tx<'_>, before: Option<CleanupRange>) -> Result<Option<CleanupRange>, StoreError> {
    let after = match before {
        None => None,
        Some(CleanupRange { last: None, .. }) => return Ok(None),
        Some(CleanupRange { last, .. }) => last,
    };
    let last: Option<IdValue> = on!(tx, |c| {
        let mut ids = tokens::table.select(tokens::id).into_boxed::<Db>();
        if let Some(after) = after {
            ids = ids.filter(tokens::id.gt(after));
        }
        ids.order(tokens::id).offset(SPAN - 1).limit(1).get_result(c).optional()
    })?;
    Ok(Some(CleanupRange { after, last }))
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

/// Whether a token's time ran out without its row saying so. Revocations tell by themselves. A token that a policy ended
/// first, and its own expiry later, is noted again: the expiry is the end that no policy takes back.
macro_rules! is_unnoted {
    ($cutoffs:expr) => {
        tokens::revoked_at.is_null().and(is_expired!($cutoffs)).and(
            tokens::expiry_noted_at.is_null().or(tokens::expires_at
                .is_not_null()
                .and(tokens::expires_at.le(InstantValue($cutoffs.now)))
                .and(tokens::expires_at.gt(tokens::expiry_noted_at))),
        )
    };
}

/// Whether a token was noted as over and is not, because the policy is another now.
macro_rules! is_back {
    ($cutoffs:expr) => {
        tokens::revoked_at
            .is_null()
            .and(tokens::expiry_noted_at.is_not_null())
            .and(not(is_expired!($cutoffs)))
    };
}

/// Whether a token was revoked or over before an instant, as
/// [`ExpiryCutoffs::is_over_since`](tokenry_domain::ExpiryCutoffs::is_over_since) decides.
macro_rules! is_dead {
    ($cutoffs:expr, $cutoff:expr) => {{
        let cutoff = InstantValue($cutoff);
        tokens::revoked_at.lt(cutoff).or(tokens::revoked_at.is_null().and(
            tokens::expires_at.lt(cutoff).or(tokens::expiry_noted_at.lt(cutoff).and(is_expired!($cutoffs))),
        ))
    }};
}

/// Unrevoked tokens of a span whose time ran out without their rows saying so.
///
/// # Errors
/// [`StoreError`].
pub fn find_expired(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    span: CleanupRange,
) -> Result<Vec<TokenId>, StoreError> {
    let found: Vec<IdValue> = on!(tx, |c| within!(Db, span).filter(is_unnoted!(cutoffs)).load(c))?;
    Ok(token_ids(&found))
}

/// Unrevoked tokens of a span that were noted as over and are not, because the policy is another now.
///
/// # Errors
/// [`StoreError`].
pub fn find_back(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    span: CleanupRange,
) -> Result<Vec<TokenId>, StoreError> {
    let found: Vec<IdValue> = on!(tx, |c| within!(Db, span).filter(is_back!(cutoffs)).load(c))?;
    Ok(token_ids(&found))
}

/// Forgets of those of `ids` that still are back that they were noted as over, so that their next end is told again.
///
/// # Errors
/// [`StoreError`].
pub fn forget_end(tx: &mut Tx<'_>, cutoffs: &ExpiryCutoffs, ids: &[TokenId]) -> Result<usize, StoreError> {
    let back =
        tokens::table.filter(tokens::id.eq_any(values(ids))).filter(is_back!(cutoffs)).select(tokens::id);
    let found: Vec<IdValue> = match tx {
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(c) => back.load(&mut **c),
        #[cfg(feature = "postgres")]
        Tx::Postgres(c) => back.for_update().skip_locked().load(&mut **c),
    }?;
    let forgotten = tokens::expiry_noted_at.eq(None::<InstantValue>);
    Ok(on!(tx, |c| diesel::update(tokens::table.filter(tokens::id.eq_any(found))).set(forgotten).execute(c))?)
}

/// Notes at the horizon's instant that the time of those of `ids` ran out that still are to be noted, and says whose they
/// are: those of which nobody told the audit log yet. Tokens that somebody else holds at this moment are left for later.
///
/// # Errors
/// [`StoreError`].
pub fn take_expired(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    ids: &[TokenId],
) -> Result<Vec<(TokenId, UserId)>, StoreError> {
    let unnoted = tokens::table.filter(tokens::id.eq_any(values(ids))).filter(is_unnoted!(cutoffs)).select((
        tokens::id,
        tokens::user_id,
        tokens::expiry_noted_at,
    ));
    let found: Vec<(IdValue, IdValue, Option<InstantValue>)> = match tx {
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(c) => unnoted.load(&mut **c),
        #[cfg(feature = "postgres")]
        Tx::Postgres(c) => unnoted.for_update().skip_locked().load(&mut **c),
    }?;
    let ids: Vec<IdValue> = found.iter().map(|(id, ..)| *id).collect();
    let noted = tokens::expiry_noted_at.eq(Some(InstantValue(cutoffs.now)));
    on!(tx, |c| diesel::update(tokens::table.filter(tokens::id.eq_any(ids))).set(noted).execute(c))?;
    let untold = found.into_iter().filter(|(_, _, noted)| noted.is_none());
    Ok(untold.map(|(id, user, _)| (TokenId::from_uuid(id.0), UserId::from_uuid(user.0))).collect())
}

/// Tokens of a span that were revoked or over before `cutoff`.
///
/// # Errors
/// [`StoreError`].
pub fn find_dead(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    cutoff: UnixMillis,
    span: CleanupRange,
) -> Result<Vec<TokenId>, StoreError> {
    let found: Vec<IdValue> = on!(tx, |c| within!(Db, span).filter(is_dead!(cutoffs, cutoff)).load(c))?;
    Ok(token_ids(&found))
}

/// Removes uses of those of `ids` that were revoked or over before `cutoff`, at most `limit` rows, and says how many rows;
/// fewer than `limit` when [`purge_tokens`] is left next to none.
///
/// # Errors
/// [`StoreError`].
pub fn drain_dead(
    tx: &mut Tx<'_>,
    (cutoffs, cutoff): (&ExpiryCutoffs, UnixMillis),
    ids: &[TokenId],
    limit: u16,
) -> Result<usize, StoreError> {
    let dead = tokens::table
        .filter(tokens::id.eq_any(values(ids)))
        .filter(is_dead!(cutoffs, cutoff))
        .select(tokens::id);
    let found: Vec<IdValue> = on!(tx, |c| dead.load(c))?;
    usage::delete_in_batches(tx, &token_ids(&found), limit)
}

/// Removes those of `ids` that were revoked or over before `cutoff`, with all that belongs to them, and says how many.
/// Tokens that somebody else holds at this moment are left for the next cleanup, so that nobody waits crosswise.
///
/// # Errors
/// [`StoreError`].
pub fn purge_tokens(
    tx: &mut Tx<'_>,
    (cutoffs, cutoff): (&ExpiryCutoffs, UnixMillis),
    ids: &[TokenId],
) -> Result<usize, StoreError> {
    let dead = tokens::table
        .filter(tokens::id.eq_any(values(ids)))
        .filter(is_dead!(cutoffs, cutoff))
        .select(tokens::id);
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
