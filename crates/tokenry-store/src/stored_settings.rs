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

/// The lengths of the parts of public ids, which tell how a token is recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicIdLengths {
    /// What follows the prefix.
    pub own: u8,
    /// What all imported tokens of one shape begin with.
    pub shape: u8,
}

/// What a secret needs of the settings to be recognized and compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretOrigin {
    /// Its prefix; empty for imported tokens.
    pub prefix: String,
    /// How its public id begins, if it was imported: each shape has another beginning.
    pub shape: Option<String>,
    /// The id of the pepper in its stored hash, if it has one.
    pub pepper: Option<String>,
}

type OriginRow = (String, Option<String>, Option<String>);

impl From<OriginRow> for SecretOrigin {
    fn from((prefix, shape, pepper): OriginRow) -> Self {
        Self { prefix, shape, pepper }
    }
}

/// A group of live tokens of enabled users with the same origin and role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenGroup {
    /// What they need of the settings.
    pub origin: SecretOrigin,
    /// The role of their owners.
    pub role: String,
    /// The number of tokens.
    pub tokens: u64,
}

/// SQL for the fields of [`SecretOrigin`] from a public id and a stored hash.
struct OriginSql {
    prefix: String,
    shape: String,
    pepper: String,
}

impl OriginSql {
    fn of(tx: &Tx<'_>, table: &str, lengths: PublicIdLengths) -> Self {
        let PublicIdLengths { own, shape } = lengths;
        let (lookup, hash) = (format!("{table}.lookup"), format!("{table}.secret_hash"));
        let (prefix, pepper) = match &tx.0 {
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(_) => (
                format!("substr({lookup}, 1, max(length({lookup}) - {own}, 0))"),
                ["14", "23"].map(|at| {
                    let rest = format!("substr({hash}, {at})");
                    format!("substr({rest}, 1, instr({rest}, '$') - 1)")
                }),
            ),
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(_) => (
                format!("left({lookup}, -{own})"),
                ["3", "4"].map(|part| format!("split_part({hash}, '$', {part})")),
            ),
        };
        let [own_pepper, imported_pepper] = pepper;
        let is_imported = format!("substr({lookup}, 1, 1) = '~'");
        Self {
            prefix: format!("CASE WHEN {is_imported} THEN '' ELSE {prefix} END"),
            shape: format!("CASE WHEN {is_imported} THEN substr({lookup}, 1, {shape}) END"),
            pepper: format!(
                "CASE WHEN substr({hash}, 1, 13) = '$hmac-sha256$' THEN {own_pepper} \
                 WHEN substr({hash}, 1, 22) = '$imported$hmac-sha256$' THEN {imported_pepper} END"
            ),
        }
    }
}

/// Counts tokens that are neither revoked nor expired, of enabled users, by origin and role.
///
/// # Errors
/// [`StoreError`].
pub fn live_tokens(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    lengths: PublicIdLengths,
) -> Result<Vec<TokenGroup>, StoreError> {
    let OriginSql { prefix, shape, pepper } = OriginSql::of(tx, "personal_access_tokens", lengths);
    let rows: Vec<(OriginRow, String, i64)> = on!(tx, |c| {
        tokens::table
            .inner_join(users::table)
            .filter(users::disabled_at.is_null())
            .filter(tokens::revoked_at.is_null())
            .filter(not(is_expired!(cutoffs)))
            .group_by(sql::<Text>("1, 2, 3, 4"))
            .select((
                (sql::<Text>(&prefix), sql::<Nullable<Text>>(&shape), sql::<Nullable<Text>>(&pepper)),
                sql::<Text>("users.role"),
                sql::<BigInt>("count(*)"),
            ))
            .load(c)
    })?;
    let groups = rows.into_iter();
    Ok(groups
        .map(|(origin, role, count)| TokenGroup {
            origin: origin.into(),
            role,
            tokens: convert::count(count),
        })
        .collect())
}

/// Counts retired secrets of live tokens that are within their grace period, by origin. Secrets replaced at or before
/// `graced_after` are left out, since the policy has ended their grace period.
///
/// # Errors
/// [`StoreError`].
pub fn old_secrets(
    tx: &mut Tx<'_>,
    cutoffs: &ExpiryCutoffs,
    graced_after: Option<UnixMillis>,
    lengths: PublicIdLengths,
) -> Result<Vec<(SecretOrigin, u64)>, StoreError> {
    let OriginSql { prefix, shape, pepper } = OriginSql::of(tx, "retired_secrets", lengths);
    let graced_after = graced_after.unwrap_or(UnixMillis::MIN);
    let rows: Vec<(OriginRow, i64)> = on!(tx, |c| {
        retired_secrets::table
            .inner_join(tokens::table.inner_join(users::table))
            .filter(retired_secrets::ended_at.is_null())
            .filter(retired_secrets::valid_until.gt(InstantValue(cutoffs.now)))
            .filter(retired_secrets::retired_at.gt(InstantValue(graced_after)))
            .filter(users::disabled_at.is_null())
            .filter(tokens::revoked_at.is_null())
            .filter(not(is_expired!(cutoffs)))
            .group_by(sql::<Text>("1, 2, 3"))
            .select((
                (sql::<Text>(&prefix), sql::<Nullable<Text>>(&shape), sql::<Nullable<Text>>(&pepper)),
                sql::<BigInt>("count(*)"),
            ))
            .load(c)
    })?;
    Ok(rows.into_iter().map(|(origin, count)| (origin.into(), convert::count(count))).collect())
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
