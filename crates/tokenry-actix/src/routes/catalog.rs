//! The scope catalog.

use actix_web::web::{Data, Json};
use macro_rules_attribute::apply;
use tokenry_service::Tokenry;

use super::endpoint;
use crate::{
    api_caller::ApiCaller, authorized::AnyToken, body::Sequential, error::ApiError, query::StrictQuery, wire,
};

/// Lists the resources, levels and groups of the catalog, and which scopes the caller can grant to a token.
#[apply(endpoint)]
#[openapi(tag = "tokens", responses(
    (status = 200, body = wire::Scopes),
))]
pub(crate) async fn show_scopes(
    Sequential(caller, _): Sequential<ApiCaller<AnyToken>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Scopes>, ApiError> {
    Ok(Json(wire::Scopes::new(&tokenry, caller.caller())))
}
