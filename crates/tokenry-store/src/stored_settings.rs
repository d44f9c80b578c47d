//! What rows keep of the settings that they were made under: counted, so that other settings can be compared with it.

use diesel::{
    dsl::{count_star, not, sql},
    prelude::*,
    sql_types::{BigInt, Bool, Integer, Nullable, Text},
};
use tokenry_domain::{ExpiryCutoffs, UnixMillis};

use crate::{
    backend::Tx,
    error::StoreError,
    macros::on,
    schema::{personal_access_tokens as tokens, retired_secrets, users},
    sql_types::InstantValue,
    token::is_expired,
};

/// Live tokens of users who are not disabled that were made alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeAlike {
    /// What they begin with.
    pub prefix: String,
    /// The id of the pepper in their stored hash, if it has one.
    pub pepper: Option<String>,
    /// The role of their owners.
    pub role: String,
    /// How many there are.
    pub tokens: u64,
}

/// SQL that cuts the prefix off a public beginning, and the pepper's id out of a stored hash.
fn parts(tx: &Tx<'_>, table: &str, public_id: u8) -> (String, String) {
    match tx {
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(_) => (
            format!("substr({table}.lookup, 1, max(length({table}.lookup) - {public_id}, 0))"),
            format!(
                "CASE WHEN substr({table}.secret_hash, 1, 13) = '$hmac-sha256$' THEN \
                 substr({table}.secret_hash, 14, instr(substr({table}.secret_hash, 14), '$') - 1) END"
            ),
        ),
        #[cfg(feature = "postgres")]
        Tx::Postgres(_) => (
            format!("left({table}.lookup, -{public_id})"),
            format!(
                "CASE WHEN left({table}.secret_hash, 13) = '$hmac-sha256$' THEN \
                 split_part({table}.secret_hash, '$', 3) END"
            ),
        ),
    }
}

/// Tokens that are neither revoked nor over, of users who are not disabled, by how they were made; a public id has
/// `public_id` characters.
///
/// # Errors
/// [`StoreError`].
pub fn live_tokens(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    public_id: u8,
) -> Result<Vec<MadeAlike>, StoreError> {
    let (prefix, pepper) = parts(tx, "personal_access_tokens", public_id);
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
    let alike = |(prefix, pepper, role, count)| MadeAlike { prefix, pepper, role, tokens: number(count) };
    Ok(rows.into_iter().map(alike).collect())
}

/// Old secrets that still work beside the new one of a live token, by prefix and pepper; of those that were replaced at
/// `graced_after` or before the grace is over by the policy.
///
/// # Errors
/// [`StoreError`].
pub fn old_secrets(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    graced_after: Option<UnixMillis>,
    public_id: u8,
) -> Result<Vec<(String, Option<String>, u64)>, StoreError> {
    let (prefix, pepper) = parts(tx, "retired_secrets", public_id);
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
    Ok(rows.into_iter().map(|(prefix, pepper, count)| (prefix, pepper, number(count))).collect())
}

/// How many users of each role there are who are not disabled.
///
/// # Errors
/// [`StoreError`].
pub fn users_by_role(tx: &mut Tx<'_>) -> Result<Vec<(String, u64)>, StoreError> {
    let rows: Vec<(String, i64)> = on!(tx, |c| {
        let enabled = users::table.filter(users::disabled_at.is_null()).group_by(users::role);
        enabled.select((users::role, count_star())).load(c)
    })?;
    Ok(rows.into_iter().map(|(role, count)| (role, number(count))).collect())
}

/// How many users who are not disabled came with a JWT once and have a subject with none of these beginnings.
///
/// # Errors
/// [`StoreError`].
pub fn users_of_no_issuer(tx: &mut Tx<'_>, beginnings: &[String]) -> Result<u64, StoreError> {
    let count: i64 = on!(tx, |c| {
        let mut query = users::table.into_boxed::<Db>();
        query = query.filter(users::disabled_at.is_null()).filter(users::claims_at.is_not_null());
        for beginning in beginnings {
            let length = i32::try_from(beginning.chars().count()).unwrap_or(i32::MAX);
            let other = sql::<Bool>("substr(subject, 1, ").bind::<Integer, _>(length);
            query = query.filter(other.sql(") <> ").bind::<Text, _>(beginning.clone()));
        }
        query.select(count_star()).get_result(c)
    })?;
    Ok(number(count))
}

fn number(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
