//! The policy of this installation.

use actix_web::web::{Data, Json};
use tokenry_service::Tokenry;

use super::RouteName;
use crate::{
    api_caller::ApiCaller,
    authorized::AnyToken,
    body::Sequential,
    error::{ApiError, Problem},
    query::StrictQuery,
    settings::RateLimits,
    wire,
};

/// Shows the rules of this server for all tokens and callers. A number of 0 is no limit, as in the settings file.
#[utoipa::path(get, path = RouteName::ShowPolicy.path(), tag = "tokens", security(("token" = [])), responses(
    (status = 200, body = wire::Policy),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_policy(
    Sequential(_caller, _): Sequential<ApiCaller<AnyToken>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
    rates: Data<RateLimits>,
) -> Result<Json<wire::Policy>, ApiError> {
    Ok(Json(wire::Policy::new(&tokenry, **rates)))
}
