//! The tokens of all users, for administrators.

use actix_web::web::{Data, Json};
use tokenry_service::{PageQuery, Risk, TokenFilter, Tokenry, UserId};

use super::{
    path::IdPath,
    scopes::{AdminRead, AdminWrite},
    token_list::{ListQuery, TokenListParams, filter, page},
};
use crate::{
    api_caller::ApiCaller,
    blocking::blocking,
    body::Sequential,
    error::{ApiError, Problem},
    query::{FromQuery, Query, StrictQuery},
    wire,
};

/// The tokens of all users, alive and dead, each with what makes it worth a look.
#[utoipa::path(get, path = "/api/v1/admin/tokens", tag = "admin", security(("token" = [])), params(
    ("user_id" = Option<String>, Query, description = "Only this user's."),
    ("risk" = Option<String>, Query, description = "Only live ones that are never_used, no_expiry, full_access, idle or owner_disabled."),
    TokenListParams
), responses(
    (status = 200, body = wire::InventoryPage),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list_all_tokens(
    Sequential(caller, StrictQuery(query)): Sequential<ApiCaller<AdminRead>, StrictQuery<InventoryQuery>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::InventoryPage>, ApiError> {
    let (context, service) = (caller.call().clone(), tokenry.clone());
    let found = blocking(move || service.inventory(&context, &query.filter, &query.page)).await?;
    Ok(Json(wire::InventoryPage::new(&found, &tokenry, caller.call().now)))
}

/// The tokens of one user.
#[utoipa::path(get, path = "/api/v1/users/{id}/tokens", tag = "admin", security(("token" = [])), params(
    ("id" = String, Path),
    TokenListParams
), responses(
    (status = 200, body = wire::TokenPage),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list_user_tokens(
    Sequential(caller, (IdPath(id), StrictQuery(query))): Sequential<
        ApiCaller<AdminRead>,
        (IdPath<UserId>, StrictQuery<ListQuery>),
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::TokenPage>, ApiError> {
    let (context, service) = (caller.call().clone(), tokenry.clone());
    let filter = TokenFilter { user_id: Some(id), ..query.filter };
    let found = blocking(move || match service.inventory(&context, &filter, &query.page) {
        Err(tokenry_service::ListError::NoSuchUser) => Err(ApiError::NotFound),
        found => found.map_err(ApiError::from),
    });
    Ok(Json(wire::TokenPage::new(&found.await?, &tokenry, caller.call().now)))
}

/// Tells the audit log of tokens whose time ran out, and removes what has been dead for longer than it is kept.
#[utoipa::path(post, path = "/api/v1/admin/cleanup", tag = "admin", security(("token" = [])), responses(
    (status = 200, body = wire::CleanupReport),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The database is away, or the server's clock may be wrong by more than a day: nothing was cleaned up.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn clean_up(
    Sequential(caller, _): Sequential<ApiCaller<AdminWrite>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::CleanupReport>, ApiError> {
    let context = caller.call().clone();
    let cleaned = blocking(move || tokenry.cleanup_by_clock(&context)).await?;
    Ok(Json(cleaned.into()))
}

/// Which tokens an inventory shows.
pub(crate) struct InventoryQuery {
    filter: TokenFilter,
    page: PageQuery,
}

impl FromQuery for InventoryQuery {
    const NAMES: &'static [&'static str] = &[
        "status",
        "search",
        "scope",
        "unused_since",
        "expires_before",
        "sort",
        "limit",
        "cursor",
        "user_id",
        "risk",
    ];

    fn from_query(query: &mut Query) -> Self {
        let filter = TokenFilter {
            user_id: query.parse::<UserId>("user_id", "the id of a user"),
            risk: query.parse::<Risk>("risk", "never_used, no_expiry, full_access, idle or owner_disabled"),
            ..filter(query)
        };
        Self { filter, page: page(query) }
    }
}
