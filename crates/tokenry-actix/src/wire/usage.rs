//! The usage log as JSON.

use serde::Serialize;
use tokenry_service::{
    AddressCount, HourCount, RouteCount, Scope, UnixMillis, UsageCount, UsageKey, UsagePage,
};
use utoipa::ToSchema;

use super::schema;

/// The usage of a token.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    /// The newest rows, newest first.
    data: Vec<UsageRow>,
    /// The number of all uses from `from` to `to`, including those of omitted rows.
    total_count: u64,
}

/// The uses of a token with the same properties within one interval.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRow {
    /// The start of the interval; its length is a setting, by default one minute.
    #[schema(format = DateTime)]
    minute: String,
    /// The method; empty if unknown, `OTHER` if HTTP does not define it.
    method: String,
    /// The pattern of the route, or the verified resource; empty if unknown.
    route: String,
    /// The status of the response; 499 if the client disconnected before.
    status: u16,
    /// The source address.
    #[schema(required = true)]
    ip: Option<String>,
    /// The user agent of the client.
    #[schema(required = true)]
    user_agent: Option<String>,
    /// The number of uses.
    count: u64,
}

impl From<&UsagePage> for Usage {
    fn from(page: &UsagePage) -> Self {
        Self { data: page.uses.iter().map(UsageRow::new).collect(), total_count: page.total_count }
    }
}

impl UsageRow {
    fn new((key, count): &(UsageKey, UsageCount)) -> Self {
        let agent = &*key.user_agent;
        Self {
            minute: key.start.to_string(),
            method: key.method.to_string(),
            route: key.route.to_string(),
            status: key.status,
            ip: key.ip.map(|ip| ip.to_string()),
            user_agent: Some(agent).filter(|agent| !agent.is_empty()).map(str::to_owned),
            count: count.count,
        }
    }
}

/// A summary of the usage of a token.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageSummary {
    /// The start of the interval.
    #[schema(format = DateTime)]
    from: String,
    /// The end of the interval.
    #[schema(format = DateTime)]
    to: String,
    /// The number of uses from `from` to `to`.
    total_count: u64,
    /// All uses by hour and status, oldest first.
    hours: Vec<UsageHour>,
    /// The 50 most used routes, most used first.
    routes: Vec<UsageRoute>,
    /// The 50 most used pairs of address and user agent, most used first.
    addresses: Vec<UsageAddress>,
    /// The granted scopes of the token.
    scopes: Vec<ScopeUse>,
}

/// A granted scope, and when it was last the least sufficient scope of a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScopeUse {
    /// The scope.
    #[schema(value_type = schema::Scope)]
    scope: String,
    /// `null` is never: granted but unused. Updated with a delay of up to two minutes.
    #[schema(format = DateTime, required = true)]
    last_used_at: Option<String>,
}

/// The uses in one hour with the same status.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageHour {
    /// The start of the hour, in UTC.
    #[schema(format = DateTime)]
    hour: String,
    /// The status of the responses. For a token with too many different ones, the status class: 200 is 200 to 299.
    status: u16,
    /// The number of uses.
    count: u64,
}

/// The uses of a token for one route.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRoute {
    /// The method; empty if unknown.
    method: String,
    /// The pattern of the route; empty if unknown.
    route: String,
    /// The number of uses.
    count: u64,
    /// The last of these uses.
    #[schema(format = DateTime)]
    last_at: String,
}

/// The uses of a token from one address with one user agent.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageAddress {
    /// The source address.
    #[schema(required = true)]
    ip: Option<String>,
    /// The user agent of the client.
    #[schema(required = true)]
    user_agent: Option<String>,
    /// The number of uses.
    count: u64,
    /// The last of these uses.
    #[schema(format = DateTime)]
    last_at: String,
}

impl From<&tokenry_service::UsageSummary> for UsageSummary {
    fn from(summary: &tokenry_service::UsageSummary) -> Self {
        Self {
            from: summary.from.to_string(),
            to: summary.to.to_string(),
            total_count: summary.total_count,
            hours: summary.hours.iter().map(UsageHour::new).collect(),
            routes: summary.routes.iter().map(UsageRoute::new).collect(),
            addresses: summary.addresses.iter().map(UsageAddress::new).collect(),
            scopes: summary.scopes.iter().map(ScopeUse::new).collect(),
        }
    }
}

impl UsageHour {
    fn new(hour: &HourCount) -> Self {
        Self { hour: hour.hour.to_string(), status: hour.status, count: hour.count }
    }
}

impl UsageRoute {
    fn new(route: &RouteCount) -> Self {
        Self {
            method: route.method.clone(),
            route: route.route.clone(),
            count: route.count,
            last_at: route.last_at.to_string(),
        }
    }
}

impl UsageAddress {
    fn new(address: &AddressCount) -> Self {
        Self {
            ip: address.ip.map(|ip| ip.to_string()),
            user_agent: Some(&address.user_agent).filter(|agent| !agent.is_empty()).cloned(),
            count: address.count,
            last_at: address.last_at.to_string(),
        }
    }
}

impl ScopeUse {
    fn new((scope, at): &(Scope, Option<UnixMillis>)) -> Self {
        Self { scope: scope.to_string(), last_used_at: at.map(|at| at.to_string()) }
    }
}
