//! Lists of tokens.

use actix_web::web::{Data, Json};
use macro_rules_attribute::apply;
use tokenry_service::{PageQuery, PageSize, Scope, Status, TokenFilter, Tokenry, UnixMillis};

use super::endpoint;
use crate::{
    api_caller::ApiCaller,
    blocking::blocking,
    body::Sequential,
    error::ApiError,
    query::{FromQuery, Query, StrictQuery},
    scopes::TokensRead,
    wire,
};

/// Lists the caller's tokens, live and dead, newest first.
#[apply(endpoint)]
#[openapi(tag = "tokens", params(
    TokenListParams
), responses(
    (status = 200, body = wire::TokenPage),
))]
pub(crate) async fn list_tokens(
    Sequential(caller, StrictQuery(query)): Sequential<ApiCaller<TokensRead>, StrictQuery<ListQuery>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::TokenPage>, ApiError> {
    let (context, service) = (caller.context().clone(), tokenry.clone());
    let (number, size) = (query.page.number, query.page.size);
    let page = blocking(move || service.list_tokens(&context, query.filter, query.page)).await?;
    Ok(Json(wire::TokenPage::new(&page, &tokenry, caller.context().now).numbered(number, size)))
}

/// The OpenAPI parameters of every list of tokens; [`filter`] and [`page`] parse them.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its fields' names and types are used")]
pub(crate) struct TokenListParams {
    /// Tokens in this state.
    #[param(value_type = Option<wire::schema::TokenStatus>)]
    status: Option<String>,
    /// Part of the name, of the displayed prefix or of the displayed suffix of the token, or prefix and suffix joined by `…`
    /// or `...`. Of a complete token only prefix and suffix are used.
    #[param(max_length = 100)]
    search: Option<String>,
    /// Tokens with exactly this granted scope.
    #[param(value_type = Option<wire::schema::Scope>)]
    scope: Option<String>,
    /// Tokens not used since this time.
    #[param(format = DateTime)]
    unused_since: Option<String>,
    /// Tokens that expire before this time.
    #[param(format = DateTime)]
    expires_before: Option<String>,
    /// The order of the list. Default: -created_at
    #[param(value_type = Option<wire::schema::TokenSort>)]
    sort: Option<String>,
    /// How many rows a page has at most. Default: 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// The next_cursor of the previous page.
    #[param(max_length = 1024)]
    cursor: Option<String>,
    /// The number of the page, from 1, instead of a cursor.
    #[param(minimum = 1, maximum = 4_294_967_295_i64)]
    page: Option<u32>,
    /// Another name of limit.
    #[param(minimum = 1, maximum = 200)]
    page_size: Option<u16>,
}

/// Filters, order and page of a list.
pub(crate) struct ListQuery {
    pub(super) filter: TokenFilter,
    pub(super) page: PageQuery,
}

impl FromQuery for ListQuery {
    const NAMES: &'static [&'static str] = &[
        "status",
        "search",
        "scope",
        "unused_since",
        "expires_before",
        "sort",
        "limit",
        "cursor",
        "page",
        "page_size",
    ];

    fn from_query(query: &mut Query) -> Self {
        Self { filter: filter(query), page: page(query) }
    }
}

/// The filters that every list of tokens supports.
fn filter(query: &mut Query) -> TokenFilter {
    TokenFilter::default()
        .with_status(query.parse::<Status>("status", "active, inactive, pending, expired or revoked"))
        .with_search(query.text("search", 100))
        .with_scope(query.parse::<Scope>("scope", "resource:level, introspect, * or a named scope"))
        .with_unused_since(query.parse::<UnixMillis>("unused_since", INSTANT))
        .with_expires_before(query.parse::<UnixMillis>("expires_before", INSTANT))
}

pub(super) const INSTANT: &str = "an RFC 3339 date-time such as 2026-01-31T08:00:00Z";

/// Order and page of a list of tokens.
fn page(query: &mut Query) -> PageQuery {
    let sort = query.parse("sort", "created_at, name, expires_at or last_used_at, with - for descending");
    let (number, cursor) = (query.parse("page", "a whole number from 1"), query.text("cursor", 1024));
    if number.is_some() && cursor.is_some() {
        query.reject("page", "exclusive", "Send either page or cursor.");
    }
    PageQuery::default()
        .with_sort(sort.unwrap_or_default())
        .with_size(size(query))
        .with_cursor(cursor)
        .with_number(number)
}

/// The number of rows of a page.
pub(super) fn size(query: &mut Query) -> PageSize {
    let [limit, page_size] = ["limit", "page_size"].map(|name| {
        let rows = query.parse::<u16>(name, "a whole number from 1 to 200")?;
        let size = PageSize::new(rows);
        if size.is_none() {
            query.reject(name, "invalid_value", "Must be a whole number from 1 to 200.");
        }
        size
    });
    if limit.is_some() && page_size.is_some() {
        query.reject("page_size", "exclusive", "Send either limit or page_size.");
    }
    limit.or(page_size).unwrap_or_default()
}
