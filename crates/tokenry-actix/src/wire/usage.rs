//! The usage log as JSON.

use serde::Serialize;
use tokenry_service::{Combination, Tally, UsagePage};
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
    fn new((combination, tally): &(Combination, Tally)) -> Self {
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
