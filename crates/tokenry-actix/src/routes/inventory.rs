//! The tokens of all users, for administrators.

use actix_web::web::{Data, Json};
use macro_rules_attribute::apply;
use tokenry_service::{Risk, Tokenry, UserId};

use super::{
    endpoint,
    path::IdPath,
    token_list::{ListQuery, TokenListParams},
};
use crate::{
    api_caller::ApiCaller,
    blocking::blocking,
    body::Sequential,
    error::ApiError,
    query::{FromQuery, Query, StrictQuery},
    scopes::{AdminRead, AdminWrite},
    wire,
};

/// Lists the tokens of all users, live and dead, with their risks.
#[apply(endpoint)]
#[openapi(tag = "admin", params(
    ("user_id" = Option<String>, Query, format = "uuid", description = "Only tokens of this user."),
    ("risk" = Option<wire::schema::Risk>, Query, description = "Only live tokens with this risk."),
    TokenListParams
), responses(
    (status = 200, body = wire::InventoryPage),
))]
pub(crate) async fn list_all_tokens(
    Sequential(caller, StrictQuery(InventoryQuery(query))): Sequential<
        ApiCaller<AdminRead>,
        StrictQuery<InventoryQuery>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::InventoryPage>, ApiError> {
    let (context, service) = (caller.context().clone(), tokenry.clone());
    let (number, size) = (query.page.number, query.page.size);
    let page = blocking(move || service.inventory(&context, &query.filter, &query.page)).await?;
    Ok(Json(wire::InventoryPage::new(&page, &tokenry, caller.context().now).numbered(number, size)))
}

/// Lists the tokens of a user.
#[apply(endpoint)]
#[openapi(tag = "admin", params(
    ("id" = String, Path, format = "uuid", description = "The id of the user."),
    TokenListParams
), responses(
    (status = 200, body = wire::TokenPage),
))]
pub(crate) async fn list_user_tokens(
    Sequential(caller, (IdPath(id), StrictQuery(query))): Sequential<
        ApiCaller<AdminRead>,
        (IdPath<UserId>, StrictQuery<ListQuery>),
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::TokenPage>, ApiError> {
    let (context, service) = (caller.context().clone(), tokenry.clone());
    let filter = query.filter.with_user_id(Some(id));
    let (number, size) = (query.page.number, query.page.size);
    let page = blocking(move || match service.inventory(&context, &filter, &query.page) {
        Err(tokenry_service::ReadError::NoSuchUser) => Err(ApiError::NotFound),
        page => page.map_err(ApiError::from),
    });
    let page = wire::TokenPage::new(&page.await?, &tokenry, caller.context().now);
    Ok(Json(page.numbered(number, size)))
}

/// Records expired tokens in the audit log and removes dead tokens after their retention.
#[apply(endpoint)]
#[openapi(tag = "admin", responses(
    (status = 200, body = wire::CleanupReport),
    (status = 503, description = "The clock of the server may be wrong by more than a day; nothing was cleaned up."),
))]
pub(crate) async fn clean_up(
    Sequential(caller, _): Sequential<ApiCaller<AdminWrite>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::CleanupReport>, ApiError> {
    let context = caller.context().clone();
    let report = blocking(move || tokenry.cleanup_by_clock(&context)).await?;
    Ok(Json(report.into()))
}

/// The filters, order and page of the inventory.
pub(crate) struct InventoryQuery(ListQuery);

impl FromQuery for InventoryQuery {
    const NAMES: &'static [&'static str] = &["user_id", "risk"];
    const INHERITED: &'static [&'static str] = ListQuery::NAMES;

    fn from_query(query: &mut Query) -> Self {
        let user_id = query.parse::<UserId>("user_id", "the id of a user");
        let risk = query.parse::<Risk>("risk", "never_used, no_expiry, full_access, idle or owner_disabled");
        let ListQuery { filter, page } = ListQuery::from_query(query);
        Self(ListQuery { filter: filter.with_user_id(user_id).with_risk(risk), page })
    }
}
