//! Counts rows by the settings under which they were created, so that changed settings can be checked against them.

use diesel::{
    dsl::{count_star, not, sql},
    prelude::*,
    sql_types::{BigInt, Bool, Integer, Nullable, Text},
};
use tokenry_domain::{ExpiryCutoffs, UnixMillis};

use crate::{
    convert,
    error::StoreError,
    macros::on,
    schema::{personal_access_tokens as tokens, retired_secrets, users},
    sql_types::InstantValue,
    token::is_expired,
    tx::{AnyConnection, Tx},
};

/// A group of live tokens of enabled users with the same prefix, pepper and role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenGroup {
    /// Their prefix; empty for imported tokens.
    pub prefix: String,
    /// The id of the pepper in their stored hash, if it has one.
    pub pepper: Option<String>,
    /// The role of their owners.
    pub role: String,
    /// The number of tokens.
    pub tokens: u64,
}

/// SQL that extracts the prefix from a public id and the pepper's id from a stored hash.
fn prefix_and_pepper_sql(tx: &Tx<'_>, table: &str, public_id_len: u8) -> (String, String) {
    match &tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => (
            format!(
                "CASE WHEN substr({table}.lookup, 1, 1) = '~' THEN '' ELSE \
                 substr({table}.lookup, 1, max(length({table}.lookup) - {public_id_len}, 0)) END"
            ),
            format!(
                "CASE WHEN substr({table}.secret_hash, 1, 13) = '$hmac-sha256$' THEN \
                 substr({table}.secret_hash, 14, instr(substr({table}.secret_hash, 14), '$') - 1) \
                 WHEN substr({table}.secret_hash, 1, 22) = '$imported$hmac-sha256$' THEN \
                 substr({table}.secret_hash, 23, instr(substr({table}.secret_hash, 23), '$') - 1) END"
            ),
        ),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => (
            format!(
                "CASE WHEN left({table}.lookup, 1) = '~' THEN '' ELSE left({table}.lookup, -{public_id_len}) END"
            ),
            format!(
                "CASE WHEN left({table}.secret_hash, 13) = '$hmac-sha256$' THEN \
                 split_part({table}.secret_hash, '$', 3) \
                 WHEN left({table}.secret_hash, 22) = '$imported$hmac-sha256$' THEN \
                 split_part({table}.secret_hash, '$', 4) END"
            ),
        ),
    }
}

/// Counts tokens that are neither revoked nor expired, of enabled users, by prefix, pepper and role. A public id without
/// its prefix has `public_id_len` characters.
///
/// # Errors
/// [`StoreError`].
pub fn live_tokens(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    public_id_len: u8,
) -> Result<Vec<TokenGroup>, StoreError> {
    let (prefix, pepper) = prefix_and_pepper_sql(tx, "personal_access_tokens", public_id_len);
    let rows: Vec<(String, Option<String>, String, i64)> = on!(tx, |c| {
        tokens::table
            .inner_join(users::table)
            .filter(users::disabled_at.is_null())
            .filter(tokens::revoked_at.is_null())
            .filter(not(is_expired!(cutoffs)))
            .group_by(sql::<Text>("1, 2, 3"))
            .select((
                sql::<Text>(&prefix),
                sql::<Nullable<Text>>(&pepper),
                sql::<Text>("users.role"),
                sql::<BigInt>("count(*)"),
            ))
            .load(c)
    })?;
    let groups = rows.into_iter();
    Ok(groups
        .map(|(prefix, pepper, role, count)| TokenGroup {
            prefix,
            pepper,
            role,
            tokens: convert::count(count),
        })
        .collect())
}

/// Counts retired secrets of live tokens that are within their grace period, by prefix and pepper. Secrets replaced at or
/// before `graced_after` are left out, since the policy has ended their grace period.
///
/// # Errors
/// [`StoreError`].
pub fn old_secrets(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    graced_after: Option<UnixMillis>,
    public_id_len: u8,
) -> Result<Vec<(String, Option<String>, u64)>, StoreError> {
    let (prefix, pepper) = prefix_and_pepper_sql(tx, "retired_secrets", public_id_len);
    let graced_after = graced_after.unwrap_or(UnixMillis::MIN);
    let rows: Vec<(String, Option<String>, i64)> = on!(tx, |c| {
        retired_secrets::table
            .inner_join(tokens::table.inner_join(users::table))
            .filter(retired_secrets::ended_at.is_null())
            .filter(retired_secrets::valid_until.gt(InstantValue(cutoffs.now)))
            .filter(retired_secrets::retired_at.gt(InstantValue(graced_after)))
            .filter(users::disabled_at.is_null())
            .filter(tokens::revoked_at.is_null())
            .filter(not(is_expired!(cutoffs)))
            .group_by(sql::<Text>("1, 2"))
            .select((sql::<Text>(&prefix), sql::<Nullable<Text>>(&pepper), sql::<BigInt>("count(*)")))
            .load(c)
    })?;
    Ok(rows.into_iter().map(|(prefix, pepper, count)| (prefix, pepper, convert::count(count))).collect())
}

/// The number of enabled users of each role.
///
/// # Errors
/// [`StoreError`].
pub fn users_by_role(tx: &mut Tx<'_>) -> Result<Vec<(String, u64)>, StoreError> {
    let rows: Vec<(String, i64)> = on!(tx, |c| {
        let enabled = users::table.filter(users::disabled_at.is_null()).group_by(users::role);
        enabled.select((users::role, count_star())).load(c)
    })?;
    Ok(rows.into_iter().map(|(role, count)| (role, convert::count(count))).collect())
}

/// The number of enabled users who have signed in with a JWT and whose subject has none of these prefixes.
///
/// # Errors
/// [`StoreError`].
pub fn users_of_no_issuer(tx: &mut Tx<'_>, subject_prefixes: &[String]) -> Result<u64, StoreError> {
    let count: i64 = on!(tx, |c| {
        let mut query = users::table.into_boxed::<Db>();
        query = query.filter(users::disabled_at.is_null()).filter(users::claims_at.is_not_null());
        for prefix in subject_prefixes {
            let length = i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX);
            let other = sql::<Bool>("substr(subject, 1, ").bind::<Integer, _>(length);
            query = query.filter(other.sql(") <> ").bind::<Text, _>(prefix.clone()));
        }
        query.select(count_star()).get_result(c)
    })?;
    Ok(convert::count(count))
}
