//! What a token was used for.

use actix_web::web::{Data, Json};
use tokenry_service::{SummaryQuery, TokenId, Tokenry, UnixMillis, UsageLimit, UsageQuery};

use super::{path::IdPath, scopes::TokensRead, token_list::INSTANT};
use crate::{
    api_caller::ApiCaller,
    blocking::blocking,
    body::Sequential,
    error::{ApiError, Problem},
    query::{FromQuery, Query, StrictQuery},
    wire,
};

/// What one of the caller's tokens was used for, alive or dead, newest first. Uses of the last second may be missing.
#[utoipa::path(get, path = "/api/v1/tokens/{id}/usage", tag = "tokens", security(("token" = [])), params(
    ("id" = String, Path),
    ("from" = Option<String>, Query, format = DateTime, description = "Only what was counted from then on. Default: 30 days before `to`, or before now."),
    ("to" = Option<String>, Query, format = DateTime, description = "Only what was counted before then."),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 5000, description = "At most so many rows, the newest. Default: 1000"),
), responses(
    (status = 200, body = wire::Usage),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "Unknown, or somebody else's.", body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_usage(
    Sequential(caller, (IdPath(id), StrictQuery(Wanted(query)))): Sequential<
        ApiCaller<TokensRead>,
        (IdPath<TokenId>, StrictQuery<Wanted>),
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Usage>, ApiError> {
    let context = caller.call().clone();
    let page = blocking(move || tokenry.usage(&context, id, query)).await?;
    Ok(Json(wire::Usage::from(&page)))
}

/// What one of the caller's tokens was used for, alive or dead, added up. Uses of the last second may be missing.
#[utoipa::path(get, path = "/api/v1/tokens/{id}/usage/summary", tag = "tokens", security(("token" = [])), params(
    ("id" = String, Path),
    ("from" = Option<String>, Query, format = DateTime, description = "Only what was counted from then on, at most 90 days before `to`. Default: 30 days before it."),
    ("to" = Option<String>, Query, format = DateTime, description = "Only what was counted before then. Default: now"),
), responses(
    (status = 200, body = wire::UsageSummary),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "Unknown, or somebody else's.", body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The database does not answer, or too many summaries are being made.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_usage_summary(
    Sequential(caller, (IdPath(id), StrictQuery(SummaryInterval(query)))): Sequential<
        ApiCaller<TokensRead>,
        (IdPath<TokenId>, StrictQuery<SummaryInterval>),
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::UsageSummary>, ApiError> {
    let context = caller.call().clone();
    let summary = blocking(move || tokenry.usage_summary(&context, id, query)).await?;
    Ok(Json(wire::UsageSummary::from(&summary)))
}

/// Which uses are added up.
pub(crate) struct SummaryInterval(SummaryQuery);

impl FromQuery for SummaryInterval {
    const NAMES: &'static [&'static str] = &["from", "to"];

    fn from_query(query: &mut Query) -> Self {
        let from = query.parse::<UnixMillis>("from", INSTANT);
        Self(SummaryQuery { from, to: query.parse::<UnixMillis>("to", INSTANT) })
    }
}

/// Which uses are shown.
pub(crate) struct Wanted(UsageQuery);

impl FromQuery for Wanted {
    const NAMES: &'static [&'static str] = &["from", "to", "limit"];

    fn from_query(query: &mut Query) -> Self {
        let from = query.parse::<UnixMillis>("from", INSTANT);
        let to = query.parse::<UnixMillis>("to", INSTANT);
        let limit = query.parse::<UsageLimit>("limit", "a whole number from 1 to 5000");
        Self(UsageQuery { from, to, limit: limit.unwrap_or_default() })
    }
}
