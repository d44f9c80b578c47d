//! The usage log as JSON.

use serde::Serialize;
use tokenry_service::{
    AddressCount, HourCount, RouteCount, Scope, UnixMillis, UsageCount, UsageKey, UsagePage,
};
use utoipa::ToSchema;

/// What a token was used for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    /// The newest rows, newest first.
    data: Vec<UsageRow>,
    /// All uses from `from` to `to`, also those whose rows are not shown.
    total_count: u64,
}

/// How often a token was used for one thing within one span of time.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRow {
    /// The start of the span; its length is a setting, by default a minute.
    #[schema(format = DateTime)]
    minute: String,
    /// The method; empty if it is not known, `OTHER` if HTTP does not define it.
    method: String,
    /// The pattern of the route, or the resource that was asked about; empty if it is not known.
    route: String,
    /// The status of the answer; 499 if the client went away before.
    status: u16,
    ip: Option<String>,
    /// What the client calls itself.
    user_agent: Option<String>,
    count: u64,
}

impl From<&UsagePage> for Usage {
    fn from(page: &UsagePage) -> Self {
        Self { data: page.uses.iter().map(UsageRow::new).collect(), total_count: page.total_count }
    }
}

impl UsageRow {
    fn new((combination, tally): &(UsageKey, UsageCount)) -> Self {
        let agent = &*combination.user_agent;
        Self {
            minute: combination.start.to_string(),
            method: combination.method.to_string(),
            route: combination.route.to_string(),
            status: combination.status,
            ip: combination.ip.map(|ip| ip.to_string()),
            user_agent: Some(agent).filter(|agent| !agent.is_empty()).map(str::to_owned),
            count: tally.count,
        }
    }
}

/// What a token was used for, added up.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageSummary {
    #[schema(format = DateTime)]
    from: String,
    #[schema(format = DateTime)]
    to: String,
    /// All uses from `from` to `to`.
    total_count: u64,
    /// All of them by hour and status, the oldest first.
    hours: Vec<UsageHour>,
    /// The 50 most used routes, the most used first.
    routes: Vec<UsageRoute>,
    /// The 50 most used addresses and programs, the most used first.
    addresses: Vec<UsageAddress>,
    /// The scopes that the token holds.
    scopes: Vec<ScopeUse>,
}

/// A scope that a token holds, and when it was last the least that was enough for something.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScopeUse {
    scope: String,
    /// `null` is never: granted but unused. Up to two minutes late.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

/// How many uses began in one hour and were answered alike.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageHour {
    /// The start of the hour, in UTC.
    #[schema(format = DateTime)]
    hour: String,
    /// The status of the answers. Of a token with very many different ones all are told by their class: 200 is 200 to
    /// 299.
    status: u16,
    count: u64,
}

/// How often a token was used for a route.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRoute {
    /// Empty if it is not known.
    method: String,
    /// Empty if it is not known.
    route: String,
    count: u64,
    #[schema(format = DateTime)]
    last_at: String,
}

/// How often a token was used from an address with a program.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageAddress {
    ip: Option<String>,
    /// What the client calls itself.
    user_agent: Option<String>,
    count: u64,
    #[schema(format = DateTime)]
    last_at: String,
}

impl From<&tokenry_service::UsageSummary> for UsageSummary {
    fn from(summary: &tokenry_service::UsageSummary) -> Self {
        let hour =
            |it: &HourCount| UsageHour { hour: it.hour.to_string(), status: it.status, count: it.count };
        let route = |it: &RouteCount| UsageRoute {
            method: it.method.clone(),
            route: it.route.clone(),
            count: it.count,
            last_at: it.last_at.to_string(),
        };
        let scope = |(scope, at): &(Scope, Option<UnixMillis>)| ScopeUse {
            scope: scope.to_string(),
            last_used_at: at.map(|at| at.to_string()),
        };
        let address = |it: &AddressCount| UsageAddress {
            ip: it.ip.map(|ip| ip.to_string()),
            user_agent: Some(&it.user_agent).filter(|agent| !agent.is_empty()).cloned(),
            count: it.count,
            last_at: it.last_at.to_string(),
        };
        Self {
            from: summary.from.to_string(),
            to: summary.to.to_string(),
            total_count: summary.total_count,
            hours: summary.hours.iter().map(hour).collect(),
            routes: summary.routes.iter().map(route).collect(),
            addresses: summary.addresses.iter().map(address).collect(),
            scopes: summary.scopes.iter().map(scope).collect(),
        }
    }
}
