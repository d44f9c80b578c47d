//! Retired secrets, which a rotation has replaced: rows and queries.

use diesel::prelude::*;
use tokenry_domain::{PublicId, TokenId, UnixMillis};

use crate::{
    convert::{instant, instant_value},
    credential::{Credential, RetiredCredential, StoredSecret},
    error::StoreError,
    macros::on,
    schema::retired_secrets,
    sql_types::{IdValue, InstantValue},
    token::row::{TokenRow, check_value, proof_value, stored_secret},
    tx::Tx,
    user::UserRow,
};

/// A secret that a rotation replaces.
pub struct RetiredSecret {
    /// Its public id.
    pub public_id: PublicId,
    /// Its token.
    pub token_id: TokenId,
    /// The secret.
    pub secret: StoredSecret,
    /// When it was replaced.
    pub at: UnixMillis,
    /// From this instant on it is rejected. If this is `at`, there is no grace period, and the secret is ended at once,
    /// independent of the clock.
    pub valid_until: UnixMillis,
    /// The digest of the idempotency key of the rotation request.
    pub idempotency_key: Option<String>,
}

/// Inserts a retired secret.
///
/// # Errors
/// [`StoreError`].
pub fn insert(tx: &mut Tx<'_>, retired: &RetiredSecret) -> Result<(), StoreError> {
    let row = RetiredRow {
        public_id: retired.public_id.as_str().to_owned(),
        token_id: IdValue(retired.token_id.uuid()),
        secret_hash: retired.secret.hash.as_str().to_owned(),
        secret_check: check_value(&retired.secret),
        retired_at: InstantValue(retired.at),
        valid_until: InstantValue(retired.valid_until),
        ended_at: (retired.valid_until <= retired.at).then_some(InstantValue(retired.at)),
        idempotency_key: retired.idempotency_key.clone(),
        reused_at: None,
        secret_proof: proof_value(retired.secret.proof.as_ref()),
    };
    on!(tx, |c| diesel::insert_into(retired_secrets::table).values(&row).execute(c))?;
    Ok(())
}

/// Whether a rotation of this token had the idempotency key with this digest.
///
/// # Errors
/// [`StoreError`].
pub fn has_key(tx: &mut Tx<'_>, token_id: TokenId, key: &str) -> Result<bool, StoreError> {
    let query = retired_secrets::table
        .filter(retired_secrets::token_id.eq(IdValue(token_id.uuid())))
        .filter(retired_secrets::idempotency_key.eq(key))
        .select(retired_secrets::public_id);
    let found: Option<String> = on!(tx, |c| query.get_result(c).optional())?;
    Ok(found.is_some())
}

/// Whether this retired secret of the token works at `now`: it is not ended, its grace period lasts, and it was retired
/// after `retired_after`.
///
/// # Errors
/// [`StoreError`].
pub fn is_in_grace(
    tx: &mut Tx<'_>,
    token_id: TokenId,
    public_id: &PublicId,
    now: UnixMillis,
    retired_after: UnixMillis,
) -> Result<bool, StoreError> {
    let query = retired_secrets::table
        .filter(retired_secrets::public_id.eq(public_id.as_str()))
        .filter(retired_secrets::token_id.eq(IdValue(token_id.uuid())))
        .filter(retired_secrets::ended_at.is_null())
        .filter(retired_secrets::valid_until.gt(InstantValue(now)))
        .filter(retired_secrets::retired_at.gt(InstantValue(retired_after)))
        .select(retired_secrets::public_id);
    let found: Option<String> = on!(tx, |c| query.get_result(c).optional())?;
    Ok(found.is_some())
}

/// Deletes all but the `kept` newest retired secrets of a token.
///
/// # Errors
/// [`StoreError`].
pub fn delete_oldest(tx: &mut Tx<'_>, token_id: TokenId, kept: i64) -> Result<usize, StoreError> {
    let newest = retired_secrets::table
        .filter(retired_secrets::token_id.eq(IdValue(token_id.uuid())))
        .order(retired_secrets::retired_at.desc())
        .limit(kept)
        .select(retired_secrets::public_id);
    let newest: Vec<String> = on!(tx, |c| newest.load(c))?;
    let oldest = retired_secrets::table
        .filter(retired_secrets::token_id.eq(IdValue(token_id.uuid())))
        .filter(retired_secrets::public_id.ne_all(newest));
    on!(tx, |c| diesel::delete(oldest).execute(c))
}

/// Ends every retired secret of a token permanently, independent of its grace period.
///
/// # Errors
/// [`StoreError`].
pub fn end_grace(tx: &mut Tx<'_>, token_id: TokenId, now: UnixMillis) -> Result<usize, StoreError> {
    let graced = retired_secrets::table
        .filter(retired_secrets::token_id.eq(IdValue(token_id.uuid())))
        .filter(retired_secrets::ended_at.is_null());
    let ended = retired_secrets::ended_at.eq(Some(InstantValue(now)));
    on!(tx, |c| diesel::update(graced).set(ended).execute(c))
}

/// Ends a retired secret whose grace period has elapsed at `now`; `false` when it was ended before or is still valid.
///
/// # Errors
/// [`StoreError`].
pub fn end_expired(tx: &mut Tx<'_>, public_id: &PublicId, now: UnixMillis) -> Result<bool, StoreError> {
    let expired = retired_secrets::table
        .filter(retired_secrets::public_id.eq(public_id.as_str()))
        .filter(retired_secrets::ended_at.is_null())
        .filter(retired_secrets::valid_until.le(InstantValue(now)));
    // The end of the grace period, which may be long ago.
    let ended = retired_secrets::ended_at.eq(retired_secrets::valid_until.nullable());
    Ok(on!(tx, |c| diesel::update(expired).set(ended).execute(c))? == 1)
}

/// Records a use of a retired secret after its grace period at `now`; `false` when one was recorded after `since` already.
///
/// # Errors
/// [`StoreError`].
pub fn mark_reused(
    tx: &mut Tx<'_>,
    public_id: &PublicId,
    now: UnixMillis,
    since: UnixMillis,
) -> Result<bool, StoreError> {
    let unreported = retired_secrets::table
        .filter(retired_secrets::public_id.eq(public_id.as_str()))
        .filter(retired_secrets::reused_at.is_null().or(retired_secrets::reused_at.le(InstantValue(since))));
    let recorded = retired_secrets::reused_at.eq(instant_value(Some(now)));
    Ok(on!(tx, |c| diesel::update(unreported).set(recorded).execute(c))? == 1)
}

pub(crate) type RetiredCredentialRow = (RetiredRow, TokenRow, UserRow);

pub(crate) fn credential(
    (retired, token, user): RetiredCredentialRow,
) -> Result<RetiredCredential, StoreError> {
    Ok(RetiredCredential {
        credential: Credential {
            token: token.try_into()?,
            secret: stored_secret(retired.secret_hash, retired.secret_check, retired.secret_proof)?,
            owner: user.try_into()?,
        },
        public_id: PublicId::from_stored(retired.public_id),
        retired_at: retired.retired_at.0,
        valid_until: retired.valid_until.0,
        ended_at: instant(retired.ended_at),
        reused_at: instant(retired.reused_at),
    })
}

#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = retired_secrets, treat_none_as_default_value = false)]
pub(crate) struct RetiredRow {
    pub(crate) public_id: String,
    token_id: IdValue,
    secret_hash: String,
    secret_check: Option<Vec<u8>>,
    retired_at: InstantValue,
    valid_until: InstantValue,
    idempotency_key: Option<String>,
    reused_at: Option<InstantValue>,
    ended_at: Option<InstantValue>,
    secret_proof: Option<Vec<u8>>,
}
