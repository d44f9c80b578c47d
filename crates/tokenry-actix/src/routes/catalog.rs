//! The scope catalog.

use actix_web::web::{Data, Json};
use tokenry_service::Tokenry;

use super::RouteName;
use crate::{
    api_caller::ApiCaller,
    authorized::AnyToken,
    body::Sequential,
    error::{ApiError, Problem},
    query::StrictQuery,
    wire,
};

/// Lists the resources, levels and groups of the catalog, and which scopes the caller can grant to a token.
#[utoipa::path(get, path = RouteName::ShowScopes.path(), tag = "tokens", security(("token" = [])), responses(
    (status = 200, body = wire::Scopes),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_scopes(
    Sequential(caller, _): Sequential<ApiCaller<AnyToken>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Scopes>, ApiError> {
    Ok(Json(wire::Scopes::new(&tokenry, caller.caller())))
}
