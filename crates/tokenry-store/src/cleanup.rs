//! Queries of the cleanup: record each expiry once, and delete dead tokens after their retention period.
//!
//! The table is scanned once, range by range, in reading units; the tokens found are changed in small writing units that
//! test the condition again. So no writing unit searches while others wait for it, and the work grows linearly with the
//! table.

use diesel::{dsl::not, prelude::*};
use tokenry_domain::{ExpiryCutoffs, TokenId, UnixMillis, UserId};

use crate::{
    convert::{id_values, token_ids},
    error::StoreError,
    macros::{lock_rows, on},
    schema::personal_access_tokens as tokens,
    sql_types::{IdValue, InstantValue},
    token::is_expired,
    tx::Tx,
    usage,
};

/// Tokens per range; reading one takes milliseconds.
const RANGE_SIZE: i64 = 10_000;

/// A range of token ids.
#[derive(Debug, Clone, Copy)]
pub struct CleanupRange {
    after: Option<IdValue>,
    /// `None` in the last range, which has no end.
    last: Option<IdValue>,
}

/// The range after `previous`, or the first one; `None` after the last.
///
/// # Errors
/// [`StoreError`].
pub fn next_range(
    tx: &mut Tx<'_>,
    previous: Option<CleanupRange>,
) -> Result<Option<CleanupRange>, StoreError> {
    let after = match previous {
        None => None,
        Some(CleanupRange { last: None, .. }) => return Ok(None),
        Some(CleanupRange { last, .. }) => last,
    };
    let last: Option<IdValue> = on!(tx, |c| {
        let mut ids = tokens::table.select(tokens::id).into_boxed::<Db>();
        if let Some(after) = after {
            ids = ids.filter(tokens::id.gt(after));
        }
        ids.order(tokens::id).offset(RANGE_SIZE - 1).limit(1).get_result(c).optional()
    })?;
    Ok(Some(CleanupRange { after, last }))
}

/// The ids of one range, as a boxed query of one backend.
macro_rules! within {
    ($Db:ty, $range:expr) => {{
        let mut ids = tokens::table.select(tokens::id).into_boxed::<$Db>();
        if let Some(after) = $range.after {
            ids = ids.filter(tokens::id.gt(after));
        }
        if let Some(last) = $range.last {
            ids = ids.filter(tokens::id.le(last));
        }
        ids
    }};
}

/// Whether a token is expired and its expiry is not recorded yet. Revoked tokens are excluded. A token that first expired
/// by policy and later by its own `expires_at` is recorded again: no later policy can undo its own expiry.
macro_rules! is_unrecorded {
    ($cutoffs:expr) => {
        tokens::revoked_at.is_null().and(is_expired!($cutoffs)).and(
            tokens::expiry_noted_at.is_null().or(tokens::expires_at
                .is_not_null()
                .and(tokens::expires_at.le(InstantValue($cutoffs.now)))
                .and(tokens::expires_at.gt(tokens::expiry_noted_at))),
        )
    };
}

/// Whether an expiry is recorded for a token that is not expired, because the policy has changed.
macro_rules! is_unexpired {
    ($cutoffs:expr) => {
        tokens::revoked_at
            .is_null()
            .and(tokens::expiry_noted_at.is_not_null())
            .and(not(is_expired!($cutoffs)))
    };
}

/// Whether a token was revoked or expired before an instant, as
/// [`ExpiryCutoffs::expired_before`](tokenry_domain::ExpiryCutoffs::expired_before) decides.
macro_rules! is_dead {
    ($cutoffs:expr, $cutoff:expr) => {{
        let cutoff = InstantValue($cutoff);
        tokens::revoked_at.lt(cutoff).or(tokens::revoked_at.is_null().and(
            tokens::expires_at.lt(cutoff).or(tokens::expiry_noted_at.lt(cutoff).and(is_expired!($cutoffs))),
        ))
    }};
}

/// Unrevoked, expired tokens of a range whose expiry is not recorded yet.
///
/// # Errors
/// [`StoreError`].
pub fn find_expired(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    range: CleanupRange,
) -> Result<Vec<TokenId>, StoreError> {
    let found: Vec<IdValue> = on!(tx, |c| within!(Db, range).filter(is_unrecorded!(cutoffs)).load(c))?;
    Ok(token_ids(found))
}

/// Unrevoked tokens of a range with a recorded expiry that are not expired, because the policy has changed.
///
/// # Errors
/// [`StoreError`].
pub fn find_unexpired(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    range: CleanupRange,
) -> Result<Vec<TokenId>, StoreError> {
    let found: Vec<IdValue> = on!(tx, |c| within!(Db, range).filter(is_unexpired!(cutoffs)).load(c))?;
    Ok(token_ids(found))
}

/// Clears the recorded expiry of those of `ids` that are still unexpired, so that their next expiry is recorded again.
///
/// # Errors
/// [`StoreError`].
pub fn clear_expiry(tx: &mut Tx<'_>, cutoffs: &ExpiryCutoffs, ids: &[TokenId]) -> Result<usize, StoreError> {
    let unexpired = tokens::table
        .filter(tokens::id.eq_any(id_values(ids)))
        .filter(is_unexpired!(cutoffs))
        .select(tokens::id);
    let found: Vec<IdValue> = lock_rows!(tx, unexpired, skip_locked)?;
    let cleared = tokens::expiry_noted_at.eq(None::<InstantValue>);
    on!(tx, |c| diesel::update(tokens::table.filter(tokens::id.eq_any(found))).set(cleared).execute(c))
}

/// Records the expiry, at `cutoffs.now`, of those of `ids` for which it is still unrecorded. Returns tokens and owners for
/// the audit log, without those for which an earlier expiry was recorded. Tokens locked by other transactions are left for
/// the next cleanup.
///
/// # Errors
/// [`StoreError`].
pub fn record_expiry(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    ids: &[TokenId],
) -> Result<Vec<(TokenId, UserId)>, StoreError> {
    let unrecorded = tokens::table
        .filter(tokens::id.eq_any(id_values(ids)))
        .filter(is_unrecorded!(cutoffs))
        .select((tokens::id, tokens::user_id, tokens::expiry_noted_at));
    let found: Vec<(IdValue, IdValue, Option<InstantValue>)> = lock_rows!(tx, unrecorded, skip_locked)?;
    let ids: Vec<IdValue> = found.iter().map(|(id, ..)| *id).collect();
    let recorded = tokens::expiry_noted_at.eq(Some(InstantValue(cutoffs.now)));
    on!(tx, |c| diesel::update(tokens::table.filter(tokens::id.eq_any(ids))).set(recorded).execute(c))?;
    let unreported = found.into_iter().filter(|(_, _, noted_at)| noted_at.is_none());
    Ok(unreported.map(|(id, user, _)| (TokenId::from_uuid(id.0), UserId::from_uuid(user.0))).collect())
}

/// Tokens of a range that were revoked or expired before `cutoff`.
///
/// # Errors
/// [`StoreError`].
pub fn find_dead(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    cutoff: UnixMillis,
    range: CleanupRange,
) -> Result<Vec<TokenId>, StoreError> {
    let found: Vec<IdValue> = on!(tx, |c| within!(Db, range).filter(is_dead!(cutoffs, cutoff)).load(c))?;
    Ok(token_ids(found))
}

/// Deletes at most `limit` usage rows of those of `ids` that were revoked or expired before `cutoff`, and returns their
/// number. Fewer than `limit` means that [`purge_tokens`] has hardly any rows left to delete.
///
/// # Errors
/// [`StoreError`].
pub fn delete_dead_uses(
    tx: &mut Tx<'_>,
    (cutoffs, cutoff): (&ExpiryCutoffs, UnixMillis),
    ids: &[TokenId],
    limit: u16,
) -> Result<usize, StoreError> {
    let dead = tokens::table
        .filter(tokens::id.eq_any(id_values(ids)))
        .filter(is_dead!(cutoffs, cutoff))
        .select(tokens::id);
    let found: Vec<IdValue> = on!(tx, |c| dead.load(c))?;
    usage::delete_in_batches(tx, &token_ids(found), limit)
}

/// Deletes those of `ids` that were revoked or expired before `cutoff`, with all dependent rows, and returns their number.
/// Tokens locked by other transactions are left for the next cleanup, so that no deadlock can occur.
///
/// # Errors
/// [`StoreError`].
pub fn purge_tokens(
    tx: &mut Tx<'_>,
    (cutoffs, cutoff): (&ExpiryCutoffs, UnixMillis),
    ids: &[TokenId],
) -> Result<usize, StoreError> {
    let dead = tokens::table
        .filter(tokens::id.eq_any(id_values(ids)))
        .filter(is_dead!(cutoffs, cutoff))
        .select(tokens::id);
    let found: Vec<IdValue> = lock_rows!(tx, dead, skip_locked)?;
    on!(tx, |c| diesel::delete(tokens::table.filter(tokens::id.eq_any(found))).execute(c))
}
