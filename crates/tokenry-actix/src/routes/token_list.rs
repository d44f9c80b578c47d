//! Page through the caller's tokens.

use actix_web::web::{Data, Json};
use tokenry_service::{PageSize, Scope, Sort, Status, TokenFilter, Tokenry, UnixMillis};

use super::{blocking, scopes::TokensRead};
use crate::{
    authorized::Authorized,
    body::Then,
    error::ApiError,
    problem::Problem,
    query::{FromQuery, Query, StrictQuery},
    wire,
};

/// The caller's tokens, alive and dead, newest first.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", security(("token" = [])), params(
    ("status" = Option<String>, Query, description = "active, inactive, pending, expired or revoked"),
    ("search" = Option<String>, Query, description = "Part of the name, or of the shown beginning or end of the token."),
    ("scope" = Option<String>, Query, description = "Tokens that were given exactly this scope."),
    ("unused_since" = Option<String>, Query, format = DateTime, description = "Tokens not used since then."),
    ("expires_before" = Option<String>, Query, format = DateTime, description = "Tokens that end before then."),
    ("sort" = Option<String>, Query, description = "created_at, name, expires_at or last_used_at; `-` before it for descending. Default: -created_at"),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 200, description = "Default: 50"),
    ("cursor" = Option<String>, Query, description = "The next_cursor of the page before."),
), responses(
    (status = 200, body = wire::TokenPage),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list_tokens(
    Then(caller, StrictQuery(query)): Then<Authorized<TokensRead>, StrictQuery<ListQuery>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::TokenPage>, ApiError> {
    let (call, service) = (caller.call().clone(), tokenry.clone());
    let ListQuery { filter, sort, size, cursor } = query;
    let page = blocking(move || service.list(&call, filter, sort, size, cursor.as_deref())).await?;
    let shown =
        |(token, owner): &(_, _)| wire::Token::new(token, owner, tokenry.catalog(), caller.call().now);
    Ok(Json(wire::TokenPage {
        data: page.tokens.iter().map(shown).collect(),
        next_cursor: page.next_cursor,
        total: page.total,
    }))
}

/// Filters, order and page of a list.
pub(crate) struct ListQuery {
    filter: TokenFilter,
    sort: Sort,
    size: PageSize,
    cursor: Option<String>,
}

impl FromQuery for ListQuery {
    const NAMES: &'static [&'static str] =
        &["status", "search", "scope", "unused_since", "expires_before", "sort", "limit", "cursor"];

    fn from_query(query: &mut Query) -> Self {
        let instant = "an RFC 3339 date-time such as 2026-01-31T08:00:00Z";
        let filter = TokenFilter {
            user_id: None,
            status: query.parse::<Status>("status", "active, inactive, pending, expired or revoked"),
            search: query.text("search", 100),
            scope: query.parse::<Scope>("scope", "resource:level, introspect or *"),
            unused_since: query.parse::<UnixMillis>("unused_since", instant),
            expires_before: query.parse::<UnixMillis>("expires_before", instant),
        };
        let sort = query.parse("sort", "created_at, name, expires_at or last_used_at, with - for descending");
        let size = query.parse::<u16>("limit", "a whole number from 1 to 200").and_then(|rows| {
            let size = PageSize::new(rows);
            if size.is_none() {
                query.refuse("limit", "invalid_value", "Must be a whole number from 1 to 200.");
            }
            size
        });
        Self {
            filter,
            sort: sort.unwrap_or_default(),
            size: size.unwrap_or_default(),
            cursor: query.text("cursor", 1024),
        }
    }
}
