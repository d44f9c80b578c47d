//! The usage of a token.

use actix_web::web::{Data, Json};
use macro_rules_attribute::apply;
use tokenry_service::{SummaryQuery, TokenId, Tokenry, UnixMillis, UsageLimit, UsageQuery};

use super::{endpoint, path::IdPath, token_list::INSTANT};
use crate::{
    api_caller::ApiCaller,
    blocking::blocking,
    body::Sequential,
    error::ApiError,
    query::{FromQuery, Query, StrictQuery},
    scopes::TokensRead,
    wire,
};

/// Lists the usage of one of the caller's tokens, live or dead, newest first. Uses of the last second may be missing.
#[apply(endpoint)]
#[openapi(tag = "tokens", params(
    ("id" = String, Path, format = "uuid", description = "The id of the token."),
    ("from" = Option<String>, Query, format = DateTime, description = "Only uses at or after this time. Default: 30 days before `to`, or before now."),
    ("to" = Option<String>, Query, format = DateTime, description = "Only uses before this time."),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 5000, description = "Maximum number of rows; the newest are kept. Default: 1000"),
), responses(
    (status = 200, body = wire::Usage),
))]
pub(crate) async fn show_usage(
    Sequential(caller, (IdPath(id), StrictQuery(UsageInterval(query)))): Sequential<
        ApiCaller<TokensRead>,
        (IdPath<TokenId>, StrictQuery<UsageInterval>),
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Usage>, ApiError> {
    let context = caller.context().clone();
    let page = blocking(move || tokenry.usage(&context, id, query)).await?;
    Ok(Json(wire::Usage::from(&page)))
}

/// Summarizes the usage of one of the caller's tokens, live or dead. Uses of the last second may be missing.
#[apply(endpoint)]
#[openapi(tag = "tokens", params(
    ("id" = String, Path, format = "uuid", description = "The id of the token."),
    ("from" = Option<String>, Query, format = DateTime, description = "Only uses at or after this time, at most 90 days before `to`. Default: 30 days before it."),
    ("to" = Option<String>, Query, format = DateTime, description = "Only uses before this time. Default: now"),
), responses(
    (status = 200, body = wire::UsageSummary),
    (status = 503, description = "Too many summaries are being computed."),
))]
pub(crate) async fn show_usage_summary(
    Sequential(caller, (IdPath(id), StrictQuery(SummaryInterval(query)))): Sequential<
        ApiCaller<TokensRead>,
        (IdPath<TokenId>, StrictQuery<SummaryInterval>),
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::UsageSummary>, ApiError> {
    let context = caller.context().clone();
    let summary = blocking(move || tokenry.usage_summary(&context, id, query)).await?;
    Ok(Json(wire::UsageSummary::from(&summary)))
}

/// The interval of a summary.
pub(crate) struct SummaryInterval(SummaryQuery);

impl FromQuery for SummaryInterval {
    const NAMES: &'static [&'static str] = &["from", "to"];

    fn from_query(query: &mut Query) -> Self {
        let from = query.parse::<UnixMillis>("from", INSTANT);
        Self(SummaryQuery::default().with_from(from).with_to(query.parse::<UnixMillis>("to", INSTANT)))
    }
}

/// The interval and limit of a list of uses.
pub(crate) struct UsageInterval(UsageQuery);

impl FromQuery for UsageInterval {
    const NAMES: &'static [&'static str] = &["from", "to", "limit"];

    fn from_query(query: &mut Query) -> Self {
        let from = query.parse::<UnixMillis>("from", INSTANT);
        let to = query.parse::<UnixMillis>("to", INSTANT);
        let limit = query.parse::<UsageLimit>("limit", "a whole number from 1 to 5000");
        Self(UsageQuery::default().with_from(from).with_to(to).with_limit(limit.unwrap_or_default()))
    }
}
