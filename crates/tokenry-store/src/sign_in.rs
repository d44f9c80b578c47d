//! Sign-ins at an OpenID provider that have succeeded.

use diesel::prelude::*;
use tokenry_domain::UnixMillis;

use crate::{error::StoreError, macros::on, schema::used_sign_ins, sql_types::InstantValue, tx::Tx};

/// Records that the sign-in with this digest has succeeded. [`StoreError::Conflict`] if it has before, on any node.
///
/// # Errors
/// [`StoreError`].
pub fn mark_used(tx: &mut Tx<'_>, digest: &[u8; 32], at: UnixMillis) -> Result<(), StoreError> {
    let row = (used_sign_ins::digest.eq(digest.to_vec()), used_sign_ins::used_at.eq(InstantValue(at)));
    on!(tx, |c| diesel::insert_into(used_sign_ins::table).values(row).execute(c))?;
    Ok(())
}

/// Whether one succeeded before `before`.
///
/// # Errors
/// [`StoreError`].
pub fn has_used(tx: &mut Tx<'_>, before: UnixMillis) -> Result<bool, StoreError> {
    let old = used_sign_ins::table.filter(used_sign_ins::used_at.lt(InstantValue(before)));
    Ok(on!(tx, |c| diesel::select(diesel::dsl::exists(old)).get_result(c))?)
}

/// Deletes those that succeeded before `before`, and returns their number.
///
/// # Errors
/// [`StoreError`].
pub fn forget_used(tx: &mut Tx<'_>, before: UnixMillis) -> Result<usize, StoreError> {
    let old = used_sign_ins::table.filter(used_sign_ins::used_at.lt(InstantValue(before)));
    Ok(on!(tx, |c| diesel::delete(old).execute(c))?)
}
