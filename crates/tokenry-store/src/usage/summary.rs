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
pub enum StatusGrouping {
    /// By status.
    Exact,
    /// By class: 200 is 200 to 299, 600 is 600 and above.
    Classes,
}

/// The number of uses in one hour with one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
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
#[non_exhaustive]
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

impl HourCount {
    /// A count with these parts.
    #[must_use]
    pub fn new(hour: UnixMillis, status: u16, count: u64) -> Self {
        Self { hour, status, count }
    }
}

impl RouteCount {
    /// A count with these parts.
    #[must_use]
    pub fn new(method: String, route: String, count: u64, last_at: UnixMillis) -> Self {
        Self { method, route, count, last_at }
    }
}

impl AddressCount {
    /// A count with these parts.
    #[must_use]
    pub fn new(ip: Option<IpAddr>, user_agent: String, count: u64, last_at: UnixMillis) -> Self {
        Self { ip, user_agent, count, last_at }
    }
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
    grouping: StatusGrouping,
    limit: u16,
) -> Result<Vec<HourCount>, StoreError> {
    let hour = match &tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => "minute - minute % 3600000",
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => "date_trunc('hour', minute, 'UTC')",
    };
    let status = match grouping {
        StatusGrouping::Exact => "status",
        StatusGrouping::Classes => "CASE WHEN status > 599 THEN 600 ELSE status / 100 * 100 END",
    };
    let columns = format!("{hour}, {status}, {COUNT}");
    let rows: Vec<(InstantValue, i32, i64)> = on!(tx, |c| of_span!(span)
        .group_by(sql::<Integer>("1, 2"))
        .select(sql::<(Instant, Integer, BigInt)>(&columns))
        .order(sql::<Integer>("1, 2"))
        .limit(limit.into())
        .load(c))?;
    rows.into_iter().map(hour_count).collect()
}

fn hour_count((hour, status, sum): (InstantValue, i32, i64)) -> Result<HourCount, StoreError> {
    let status = u16::try_from(status).map_err(|error| corrupt("token_usage.status", error))?;
    Ok(HourCount { hour: hour.0, status, count: count(sum)? })
}

/// The most used routes, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn routes(tx: &mut Tx<'_>, span: UsageSpan, limit: u16) -> Result<Vec<RouteCount>, StoreError> {
    most_used(tx, span, "method, route", limit)?.into_iter().map(route_count).collect()
}

fn route_count((method, route, sum, last): PairRow) -> Result<RouteCount, StoreError> {
    Ok(RouteCount { method, route, count: count(sum)?, last_at: last.0 })
}

/// The most used pairs of address and user agent, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn addresses(tx: &mut Tx<'_>, span: UsageSpan, limit: u16) -> Result<Vec<AddressCount>, StoreError> {
    most_used(tx, span, "ip, user_agent", limit)?.into_iter().map(address_count).collect()
}

fn address_count((address, user_agent, sum, last): PairRow) -> Result<AddressCount, StoreError> {
    Ok(AddressCount { ip: ip(&address)?, user_agent, count: count(sum)?, last_at: last.0 })
}

/// Two columns, their count and their last use.
type PairRow = (String, String, i64, InstantValue);

/// Distinct pairs of columns with their count and last use, the most used first, ties in the order of the pairs.
fn most_used(
    tx: &mut Tx<'_>,
    span: UsageSpan,
    pair: &'static str,
    limit: u16,
) -> Result<Vec<PairRow>, StoreError> {
    let columns = format!("{pair}, {COUNT}, MAX(last_at)");
    on!(tx, |c| of_span!(span)
        .group_by(sql::<Text>("1, 2"))
        .select(sql::<(Text, Text, BigInt, Instant)>(&columns))
        .order(sql::<BigInt>("3 DESC, 1, 2"))
        .limit(limit.into())
        .load(c))
}

const COUNT: &str = "CAST(SUM(count) AS BIGINT)";

fn count(sum: i64) -> Result<u64, StoreError> {
    u64::try_from(sum).map_err(|error| corrupt("token_usage.count", error))
}
