//! The usage log: counted uses of each token.

mod delete_in_batches;
pub mod scopes;
pub mod summary;

use std::{collections::HashSet, net::IpAddr};

use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Bool},
    upsert::excluded,
};
use tokenry_domain::{TokenId, UnixMillis, UsageCount, UsageKey};

pub use self::delete_in_batches::delete_in_batches;
#[cfg(feature = "postgres")]
use crate::database_errors::from_diesel;
use crate::{
    convert::{self, address, corrupt, id_values},
    error::StoreError,
    macros::on,
    schema::{personal_access_tokens as tokens, token_usage as usage},
    sql_types::{IdValue, Instant, InstantValue},
    tx::{AnyConnection, Tx},
};

/// The most keys that [`add`] accepts in one call: far below the parameter limit of either database.
pub const MAX_KEYS: usize = 1000;

/// The condition of a list of uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageFilter {
    /// The token.
    pub token_id: TokenId,
    /// Only uses that began at this instant or later.
    pub from: UnixMillis,
    /// Only uses that began before this instant.
    pub to: Option<UnixMillis>,
}

/// Adds counts to the stored ones. `uses` must be sorted by key and without duplicates, so that concurrent nodes lock rows
/// in the same order. Uses of deleted tokens are dropped. Returns the tokens that are locked by other transactions, whose
/// uses were not written.
///
/// # Errors
/// [`StoreError`].
pub fn add(tx: &mut Tx<'_>, uses: &[(&UsageKey, UsageCount)]) -> Result<HashSet<TokenId>, StoreError> {
    let mut ids: Vec<TokenId> = uses.iter().map(|(key, _)| key.token_id).collect();
    ids.dedup();
    let locked = lock_existing(tx, &ids)?;
    let others: Vec<TokenId> = ids.into_iter().filter(|id| !locked.contains(id)).collect();
    let skipped = if others.is_empty() { HashSet::new() } else { existing(tx, &others)? };
    let rows: Vec<NewRow<'_>> = uses
        .iter()
        .filter(|(key, _)| locked.contains(&key.token_id))
        .map(|(key, count)| NewRow::new(key, *count))
        .collect();
    if rows.is_empty() {
        return Ok(skipped);
    }
    on!(tx, |c| diesel::insert_into(usage::table)
        .values(&rows)
        .on_conflict((
            usage::token_id,
            usage::minute,
            usage::method,
            usage::route,
            usage::status,
            usage::ip,
            usage::user_agent,
            usage::seq,
        ))
        .do_update()
        .set((
            usage::count.eq(usage::count + excluded(usage::count)),
            usage::first_at.eq(sql::<Instant>(EARLIER)),
            usage::last_at.eq(sql::<Instant>(LATER)),
        ))
        .execute(c))?;
    Ok(skipped)
}

const EARLIER: &str = "CASE WHEN excluded.first_at < token_usage.first_at THEN excluded.first_at \
                       ELSE token_usage.first_at END";
const LATER: &str = "CASE WHEN excluded.last_at > token_usage.last_at THEN excluded.last_at \
                     ELSE token_usage.last_at END";

/// Locks those of these tokens that exist against deletion until the unit of work ends. Skips tokens that are locked by
/// other transactions, so it never waits and cannot be part of a deadlock.
fn lock_existing(tx: &mut Tx<'_>, ids: &[TokenId]) -> Result<HashSet<TokenId>, StoreError> {
    match &mut tx.0 {
        // The transaction already excludes all other writers.
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => existing(tx, ids),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(c) => {
            let query = tokens::table.filter(tokens::id.eq_any(id_values(ids))).select(tokens::id);
            let found: Vec<IdValue> =
                query.for_key_share().skip_locked().load(&mut **c).map_err(from_diesel)?;
            Ok(found.into_iter().map(|id| TokenId::from_uuid(id.0)).collect())
        }
    }
}

fn existing(tx: &mut Tx<'_>, ids: &[TokenId]) -> Result<HashSet<TokenId>, StoreError> {
    let query = tokens::table.filter(tokens::id.eq_any(id_values(ids))).select(tokens::id);
    let found: Vec<IdValue> = on!(tx, |c| query.load(c))?;
    Ok(found.into_iter().map(|id| TokenId::from_uuid(id.0)).collect())
}

/// A query for the rows that match a filter.
macro_rules! filtered {
    ($filter:expr, $db:ty) => {{
        let mut query = usage::table
            .filter(usage::token_id.eq(IdValue($filter.token_id.uuid())))
            .filter(usage::minute.ge(InstantValue($filter.from)))
            .into_boxed::<$db>();
        if let Some(to) = $filter.to {
            query = query.filter(usage::minute.lt(InstantValue(to)));
        }
        query
    }};
}

/// The newest uses that match `filter`, newest first, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    filter: UsageFilter,
    limit: u16,
) -> Result<Vec<(UsageKey, UsageCount)>, StoreError> {
    let rows: Vec<Row> = on!(tx, |c| filtered!(filter, Db)
        .order((
            usage::minute.desc(),
            usage::method.desc(),
            usage::route.desc(),
            usage::status.desc(),
            usage::ip.desc(),
            usage::user_agent.desc(),
            usage::seq.desc(),
        ))
        .limit(limit.into())
        .select(Row::as_select())
        .load(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// The number of uses that match `filter`.
///
/// # Errors
/// [`StoreError`].
pub fn total(tx: &mut Tx<'_>, filter: UsageFilter) -> Result<u64, StoreError> {
    let sum = sql::<BigInt>("CAST(COALESCE(SUM(count), 0) AS BIGINT)");
    let total: i64 = on!(tx, |c| filtered!(filter, Db).select(sum).get_result(c))?;
    Ok(convert::count(total))
}

/// Deletes at most `limit` rows from before `cutoff`, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn purge(tx: &mut Tx<'_>, cutoff: UnixMillis, limit: u16) -> Result<usize, StoreError> {
    let old = sql::<Bool>(
        "(token_id, minute, method, route, status, ip, user_agent, seq) IN \
         (SELECT token_id, minute, method, route, status, ip, user_agent, seq FROM token_usage WHERE minute < ",
    )
    .bind::<Instant, _>(InstantValue(cutoff))
    .sql(" ORDER BY minute LIMIT ")
    .bind::<BigInt, _>(i64::from(limit))
    .sql(")");
    on!(tx, |c| diesel::delete(usage::table.filter(old)).execute(c))
}

#[derive(Insertable)]
#[diesel(table_name = usage, treat_none_as_default_value = false)]
struct NewRow<'a> {
    token_id: IdValue,
    minute: InstantValue,
    method: &'a str,
    route: &'a str,
    status: i32,
    ip: String,
    user_agent: &'a str,
    seq: i64,
    count: i64,
    first_at: InstantValue,
    last_at: InstantValue,
}

impl<'a> NewRow<'a> {
    fn new(key: &'a UsageKey, count: UsageCount) -> Self {
        Self {
            token_id: IdValue(key.token_id.uuid()),
            minute: InstantValue(key.start),
            method: &key.method,
            route: &key.route,
            status: key.status.into(),
            ip: key.ip.map(|ip| ip.to_string()).unwrap_or_default(),
            user_agent: &key.user_agent,
            seq: key.seq,
            count: i64::try_from(count.count).unwrap_or(i64::MAX),
            first_at: InstantValue(count.first),
            last_at: InstantValue(count.last),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = usage)]
struct Row {
    token_id: IdValue,
    minute: InstantValue,
    method: String,
    route: String,
    status: i32,
    ip: String,
    user_agent: String,
    seq: i64,
    count: i64,
    first_at: InstantValue,
    last_at: InstantValue,
}

impl Row {
    fn read(self) -> Result<(UsageKey, UsageCount), StoreError> {
        let key = UsageKey {
            token_id: TokenId::from_uuid(self.token_id.0),
            start: self.minute.0,
            method: self.method.into(),
            route: self.route.into(),
            status: u16::try_from(self.status).map_err(|error| corrupt("token_usage.status", error))?,
            ip: ip(&self.ip)?,
            user_agent: self.user_agent.into(),
            seq: self.seq,
        };
        let count = u64::try_from(self.count).map_err(|error| corrupt("token_usage.count", error))?;
        Ok((key, UsageCount { count, first: self.first_at.0, last: self.last_at.0 }))
    }
}

fn ip(text: &str) -> Result<Option<IpAddr>, StoreError> {
    address("token_usage.ip", Some(text).filter(|text| !text.is_empty()))
}
