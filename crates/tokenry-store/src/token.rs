//! Tokens: queries. Rows are in `row`, lists in `list`, many rows at once in `bulk`.

mod bulk;
pub(crate) mod expired_when_recorded;
mod filter;
pub(crate) mod inactivity;
mod list;
pub(crate) mod row;

use diesel::{
    dsl::{count_star, not},
    prelude::*,
};
use tokenry_domain::{
    Actor, ExpiryCutoffs, Revocation, SecretHash, SecretProof, Token, TokenId, UnixMillis, UserId,
};

pub(crate) use self::filter::is_expired;
use self::row::{SecretRow, TokenRow, check_value, proof_value};
pub use self::{
    bulk::{ImportedToken, insert_many},
    list::list,
};
#[cfg(feature = "postgres")]
use crate::database_errors::from_diesel;
use crate::{
    convert::{self, id_values, instant_value, token_ids},
    credential::StoredSecret,
    error::StoreError,
    macros::{lock_row, lock_rows, on},
    schema::personal_access_tokens as tokens,
    sql_types::{IdValue, InstantValue},
    tx::{AnyConnection, Tx},
};

/// Inserts a token; [`StoreError::Conflict`] when its public id is taken or its owner does not exist.
///
/// # Errors
/// [`StoreError`].
pub fn insert(tx: &mut Tx<'_>, token: &Token, secret: &StoredSecret) -> Result<(), StoreError> {
    let row = (TokenRow::from(token), SecretRow::from(secret));
    on!(tx, |c| diesel::insert_into(tokens::table).values(&row).execute(c))?;
    Ok(())
}

/// The token with this id, of any owner.
///
/// # Errors
/// [`StoreError`].
pub fn find(tx: &mut Tx<'_>, id: TokenId) -> Result<Option<Token>, StoreError> {
    let query = tokens::table.find(IdValue(id.uuid()));
    on!(tx, |c| query.select(TokenRow::as_select()).get_result(c).optional())?
        .map(Token::try_from)
        .transpose()
}

/// The token with this id, locked until the unit of work ends.
///
/// # Errors
/// [`StoreError`].
pub fn lock(tx: &mut Tx<'_>, id: TokenId) -> Result<Option<Token>, StoreError> {
    lock_row!(tx, tokens::table.find(IdValue(id.uuid())), TokenRow)?.map(Token::try_from).transpose()
}

/// The stored secret of a token.
///
/// # Errors
/// [`StoreError`].
pub fn find_secret(tx: &mut Tx<'_>, id: TokenId) -> Result<Option<StoredSecret>, StoreError> {
    let query = tokens::table.find(IdValue(id.uuid()));
    let row = on!(tx, |c| query.select(SecretRow::as_select()).get_result(c).optional())?;
    row.map(StoredSecret::try_from).transpose()
}

/// The number of tokens of this user that are neither revoked nor expired.
///
/// # Errors
/// [`StoreError`].
pub fn count_live(tx: &mut Tx<'_>, user_id: UserId, cutoffs: &ExpiryCutoffs) -> Result<u64, StoreError> {
    let live = tokens::table
        .filter(tokens::user_id.eq(IdValue(user_id.uuid())))
        .filter(tokens::revoked_at.is_null())
        .filter(not(is_expired!(cutoffs)));
    let count: i64 = on!(tx, |c| live.select(count_star()).get_result(c))?;
    Ok(convert::count(count))
}

/// The creation times of this user's newest tokens created after `since`, oldest first, at most `limit`. The token seeded
/// by the system is left out.
///
/// # Errors
/// [`StoreError`].
pub fn creations_since(
    tx: &mut Tx<'_>,
    user_id: UserId,
    since: UnixMillis,
    limit: u32,
) -> Result<Vec<UnixMillis>, StoreError> {
    let newest = tokens::table
        .filter(tokens::user_id.eq(IdValue(user_id.uuid())))
        .filter(tokens::created_at.gt(InstantValue(since)))
        .filter(tokens::created_by.ne(Actor::System.to_string()))
        .order(tokens::created_at.desc())
        .limit(limit.into())
        .select(tokens::created_at);
    let mut created: Vec<InstantValue> = on!(tx, |c| newest.load(c))?;
    created.reverse();
    Ok(created.into_iter().map(|InstantValue(at)| at).collect())
}

/// Updates the attributes of a token if its stored version is still the one before `token.version` and it is not revoked;
/// `false` after a concurrent change.
///
/// # Errors
/// [`StoreError`].
pub fn update(tx: &mut Tx<'_>, token: &Token) -> Result<bool, StoreError> {
    let row = TokenRow::from(token);
    let before = tokens::table
        .filter(tokens::id.eq(row.id))
        .filter(tokens::version.eq(row.version - 1))
        .filter(tokens::revoked_at.is_null());
    let changes = (
        tokens::name.eq(&row.name),
        tokens::description.eq(&row.description),
        tokens::scopes.eq(&row.scopes),
        tokens::inactive_at.eq(row.inactive_at),
        tokens::expires_at.eq(row.expires_at),
        tokens::expiry_noted_at.eq(row.expiry_noted_at),
        tokens::allowed_ips.eq(&row.allowed_ips),
        tokens::metadata.eq(&row.metadata),
        tokens::version.eq(row.version),
        tokens::updated_at.eq(row.updated_at),
    );
    Ok(on!(tx, |c| diesel::update(before).set(changes).execute(c))? == 1)
}

/// Updates public id, suffix, secret, expiry and whether it is paused to those of `token`, under the same conditions as [`update`]. All other
/// attributes stay unchanged.
///
/// # Errors
/// [`StoreError::Conflict`] when the public id is taken.
pub fn replace_secret(tx: &mut Tx<'_>, token: &Token, secret: &StoredSecret) -> Result<bool, StoreError> {
    let before = tokens::table
        .filter(tokens::id.eq(IdValue(token.id.uuid())))
        .filter(tokens::version.eq(token.version - 1))
        .filter(tokens::revoked_at.is_null());
    let changes = (
        tokens::public_id.eq(token.public_id.as_str()),
        // The new version is no longer one that a finished import activates.
        tokens::inactive_at.eq(instant_value(token.inactive_at)),
        tokens::suffix.eq(&token.suffix),
        tokens::shown_prefix.eq(token.shown_prefix.as_deref()),
        tokens::secret_hash.eq(secret.hash.as_str()),
        tokens::secret_check.eq(check_value(secret)),
        tokens::secret_proof.eq(proof_value(secret.proof.as_ref())),
        tokens::secret_at.eq(InstantValue(token.secret_at)),
        tokens::expires_at.eq(instant_value(token.expires_at)),
        tokens::expiry_noted_at.eq(instant_value(token.expiry_noted_at)),
        tokens::version.eq(token.version),
        tokens::updated_at.eq(InstantValue(token.updated_at)),
    );
    Ok(on!(tx, |c| diesel::update(before).set(changes).execute(c))? == 1)
}

/// The ids of a user's tokens that are not revoked, oldest first, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn unrevoked(tx: &mut Tx<'_>, user_id: UserId, limit: u16) -> Result<Vec<TokenId>, StoreError> {
    let unrevoked = tokens::table
        .filter(tokens::user_id.eq(IdValue(user_id.uuid())))
        .filter(tokens::revoked_at.is_null())
        // The order of the index by owner, so that no query plan reads tokens of other users.
        .order((tokens::created_at, tokens::id))
        .limit(limit.into())
        .select(tokens::id);
    let ids: Vec<IdValue> = on!(tx, |c| unrevoked.load(c))?;
    Ok(token_ids(ids))
}

/// Revokes those of `ids` that are not revoked yet, in one statement, and returns them.
///
/// # Errors
/// [`StoreError`].
pub fn revoke_all(
    tx: &mut Tx<'_>,
    ids: &[TokenId],
    revocation: &Revocation,
) -> Result<Vec<TokenId>, StoreError> {
    let live = tokens::table
        .filter(tokens::id.eq_any(id_values(ids)))
        .filter(tokens::revoked_at.is_null())
        .order(tokens::id)
        .select(tokens::id);
    let live: Vec<IdValue> = lock_rows!(tx, live)?;
    let revoked = tokens::table.filter(tokens::id.eq_any(live.clone()));
    on!(tx, |c| diesel::update(revoked).set(revoked_by(revocation)).execute(c))?;
    Ok(token_ids(live))
}

/// Deletes these tokens with all dependent rows.
///
/// # Errors
/// [`StoreError`].
pub fn delete_all(tx: &mut Tx<'_>, ids: &[TokenId]) -> Result<(), StoreError> {
    let deleted = tokens::table.filter(tokens::id.eq_any(id_values(ids)));
    on!(tx, |c| diesel::delete(deleted).execute(c))?;
    Ok(())
}

/// Those of `ids` that are tokens of this user.
///
/// # Errors
/// [`StoreError`].
pub fn owned(tx: &mut Tx<'_>, user_id: UserId, ids: &[TokenId]) -> Result<Vec<TokenId>, StoreError> {
    let query = tokens::table
        .filter(tokens::id.eq_any(id_values(ids)))
        .filter(tokens::user_id.eq(IdValue(user_id.uuid())))
        .select(tokens::id);
    let found: Vec<IdValue> = on!(tx, |c| query.load(c))?;
    Ok(token_ids(found))
}

/// The ids of all tokens of a user, including revoked and expired ones.
///
/// # Errors
/// [`StoreError`].
pub fn ids_of(tx: &mut Tx<'_>, user_id: UserId) -> Result<Vec<TokenId>, StoreError> {
    let own = tokens::table.filter(tokens::user_id.eq(IdValue(user_id.uuid()))).select(tokens::id);
    let ids: Vec<IdValue> = on!(tx, |c| own.load(c))?;
    Ok(token_ids(ids))
}

/// Revokes a token; `false` when it was revoked already or is unknown.
///
/// # Errors
/// [`StoreError`].
pub fn mark_revoked(tx: &mut Tx<'_>, id: TokenId, revocation: &Revocation) -> Result<bool, StoreError> {
    let live = tokens::table.filter(tokens::id.eq(IdValue(id.uuid()))).filter(tokens::revoked_at.is_null());
    Ok(on!(tx, |c| diesel::update(live).set(revoked_by(revocation)).execute(c))? == 1)
}

/// The columns that a revocation changes.
#[derive(AsChangeset)]
#[diesel(table_name = tokens)]
struct RevocationChanges {
    revoked_at: Option<InstantValue>,
    revoked_by: Option<String>,
    revoked_reason: Option<String>,
    updated_at: InstantValue,
}

fn revoked_by(
    revocation: &Revocation,
) -> (RevocationChanges, diesel::dsl::Eq<tokens::version, diesel::dsl::Add<tokens::version, i64>>) {
    let changes = RevocationChanges {
        revoked_at: Some(InstantValue(revocation.at)),
        revoked_by: Some(revocation.by.to_string()),
        revoked_reason: revocation.reason.as_ref().map(|reason| reason.as_str().to_owned()),
        updated_at: InstantValue(revocation.at),
    };
    (changes, tokens::version.eq(tokens::version + 1))
}

/// Replaces the stored hash and proof of an unrevoked token by those of another hash of the same secret; `false` when the
/// hash is no longer `old` or the token was revoked meanwhile.
///
/// # Errors
/// [`StoreError`].
pub fn replace_hash(
    tx: &mut Tx<'_>,
    id: TokenId,
    old: &SecretHash,
    new: &SecretHash,
    proof: Option<&SecretProof>,
) -> Result<bool, StoreError> {
    let same = tokens::table
        .filter(tokens::id.eq(IdValue(id.uuid())))
        .filter(tokens::secret_hash.eq(old.as_str()))
        .filter(tokens::revoked_at.is_null());
    let changes = (tokens::secret_hash.eq(new.as_str()), tokens::secret_proof.eq(proof_value(proof)));
    Ok(on!(tx, |c| diesel::update(same).set(changes).execute(c))? == 1)
}

/// Locks those of these tokens that no other transaction has locked, until the unit of work ends, and returns them. It
/// never waits, so a unit that locks many tokens cannot be part of a deadlock.
///
/// # Errors
/// [`StoreError`].
pub fn try_lock_all(tx: &mut Tx<'_>, ids: &[TokenId]) -> Result<Vec<TokenId>, StoreError> {
    match &mut tx.0 {
        // The transaction already excludes all other writers.
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Ok(ids.to_vec()),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(c) => {
            let query = tokens::table.filter(tokens::id.eq_any(id_values(ids))).select(tokens::id);
            let free: Vec<IdValue> = query.for_update().skip_locked().load(&mut **c).map_err(from_diesel)?;
            Ok(token_ids(free))
        }
    }
}

/// Records the last use of a token; an older use never overwrites a newer one.
///
/// # Errors
/// [`StoreError`].
pub fn mark_used(
    tx: &mut Tx<'_>,
    id: TokenId,
    at: UnixMillis,
    ip: Option<std::net::IpAddr>,
) -> Result<bool, StoreError> {
    let older = tokens::table
        .filter(tokens::id.eq(IdValue(id.uuid())))
        .filter(tokens::last_used_at.is_null().or(tokens::last_used_at.lt(InstantValue(at))));
    let changes = (
        tokens::last_used_at.eq(instant_value(Some(at))),
        tokens::last_used_ip.eq(ip.map(|ip| ip.to_string())),
    );
    Ok(on!(tx, |c| diesel::update(older).set(changes).execute(c))? == 1)
}
