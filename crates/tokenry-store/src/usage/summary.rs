//! Summaries of a token's usage, aggregated by the database.

use std::net::IpAddr;

use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Integer, Text},
};
use tokenry_domain::{TokenId, UnixMillis};

use super::ip;
use crate::{
    convert::corrupt,
    error::StoreError,
    macros::on,
    schema::token_usage as usage,
    sql_types::{IdValue, Instant, InstantValue},
    tx::{AnyConnection, Tx},
};

/// The token and time span of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageSpan {
    /// The token.
    pub token_id: TokenId,
    /// Only uses that began at this instant or later.
    pub from: UnixMillis,
    /// Only uses that began before this instant.
    pub to: UnixMillis,
}

/// How uses are grouped by the status of their responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// By status.
    Exact,
    /// By class: 200 is 200 to 299, 600 is 600 and above.
    Classes,
}

/// The number of uses in one hour with one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourCount {
    /// The start of the hour, in UTC.
    pub hour: UnixMillis,
    /// The status of the responses, or their class.
    pub status: u16,
    /// The number of uses.
    pub count: u64,
}

/// The number of uses of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteCount {
    /// The method; empty if it is unknown.
    pub method: String,
    /// The pattern of the route; empty if it is unknown.
    pub route: String,
    /// The number of uses.
    pub count: u64,
    /// The last use.
    pub last_at: UnixMillis,
}

/// The number of uses from an address with a user agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressCount {
    /// The address.
    pub ip: Option<IpAddr>,
    /// The user agent; empty if it is unknown.
    pub user_agent: String,
    /// The number of uses.
    pub count: u64,
    /// The last use.
    pub last_at: UnixMillis,
}

/// A query for the usage rows of a span.
macro_rules! of_span {
    ($span:expr) => {
        usage::table
            .filter(usage::token_id.eq(IdValue($span.token_id.uuid())))
            .filter(usage::minute.ge(InstantValue($span.from)))
            .filter(usage::minute.lt(InstantValue($span.to)))
    };
}

/// The uses by hour and status, oldest first, at most `limit` groups.
///
/// # Errors
/// [`StoreError`].
pub fn hours(
    tx: &mut Tx<'_>,
    span: UsageSpan,
    answers: Answers,
    limit: u16,
) -> Result<Vec<HourCount>, StoreError> {
    let hour = match &tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => "minute - minute % 3600000",
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => "date_trunc('hour', minute, 'UTC')",
    };
    let status = match answers {
        Answers::Exact => "status",
        Answers::Classes => "CASE WHEN status > 599 THEN 600 ELSE status / 100 * 100 END",
    };
    let columns = format!("{hour}, {status}, {COUNT}");
    let rows: Vec<(InstantValue, i32, i64)> = on!(tx, |c| of_span!(span)
        .group_by(sql::<Integer>("1, 2"))
        .select(sql::<(Instant, Integer, BigInt)>(&columns))
        .order(sql::<Integer>("1, 2"))
        .limit(limit.into())
        .load(c))?;
    let read = |(hour, status, sum): (InstantValue, i32, i64)| {
        let status = u16::try_from(status).map_err(|error| corrupt("token_usage.status", error))?;
        Ok(HourCount { hour: hour.0, status, count: count(sum)? })
    };
    rows.into_iter().map(read).collect()
}

/// The most used routes, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn routes(tx: &mut Tx<'_>, span: UsageSpan, limit: u16) -> Result<Vec<RouteCount>, StoreError> {
    let rows = most_used(tx, span, "method, route", limit)?;
    let read = |(method, route, sum, last): (String, String, i64, InstantValue)| {
        Ok(RouteCount { method, route, count: count(sum)?, last_at: last.0 })
    };
    rows.into_iter().map(read).collect()
}

/// The most used pairs of address and user agent, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn addresses(tx: &mut Tx<'_>, span: UsageSpan, limit: u16) -> Result<Vec<AddressCount>, StoreError> {
    let rows = most_used(tx, span, "ip, user_agent", limit)?;
    let read = |(address, user_agent, sum, last): (String, String, i64, InstantValue)| {
        Ok(AddressCount { ip: ip(&address)?, user_agent, count: count(sum)?, last_at: last.0 })
    };
    rows.into_iter().map(read).collect()
}

/// Distinct pairs of columns with their count and last use, the most used first, ties in the order of the pairs.
fn most_used(
    tx: &mut Tx<'_>,
    span: UsageSpan,
    pair: &'static str,
    limit: u16,
) -> Result<Vec<(String, String, i64, InstantValue)>, StoreError> {
    let columns = format!("{pair}, {COUNT}, MAX(last_at)");
    Ok(on!(tx, |c| of_span!(span)
        .group_by(sql::<Text>("1, 2"))
        .select(sql::<(Text, Text, BigInt, Instant)>(&columns))
        .order(sql::<BigInt>("3 DESC, 1, 2"))
        .limit(limit.into())
        .load(c))?)
}

const COUNT: &str = "CAST(SUM(count) AS BIGINT)";

fn count(sum: i64) -> Result<u64, StoreError> {
    u64::try_from(sum).map_err(|error| corrupt("token_usage.count", error))
}
