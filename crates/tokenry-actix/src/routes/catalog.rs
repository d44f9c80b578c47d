//! The vocabulary of scopes.

use actix_web::web::{Data, Json};
use tokenry_service::Tokenry;

use crate::{
    api_caller::ApiCaller,
    authorized::AnyToken,
    body::Sequential,
    error::{ApiError, Problem},
    query::StrictQuery,
    wire,
};

/// The resources, levels and groups there are, and which of them the caller can give to a token.
#[utoipa::path(get, path = "/api/v1/scopes", tag = "tokens", security(("token" = [])), responses(
    (status = 200, body = wire::Scopes),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_scopes(
    Sequential(caller, _): Sequential<ApiCaller<AnyToken>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Scopes>, ApiError> {
    Ok(Json(wire::Scopes::new(&tokenry, caller.caller())))
}
