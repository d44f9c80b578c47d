//! The policy of this installation.

use actix_web::web::{Data, Json};
use macro_rules_attribute::apply;
use tokenry_service::Tokenry;

use super::endpoint;
use crate::{
    api_caller::ApiCaller, authorized::AnyToken, body::Sequential, error::ApiError, query::StrictQuery,
    settings::RateLimits, wire,
};

/// Shows the rules of this server for all tokens and callers. A number of 0 is no limit, as in the settings file.
#[apply(endpoint)]
#[openapi(tag = "tokens", responses(
    (status = 200, body = wire::Policy),
))]
pub(crate) async fn show_policy(
    Sequential(_caller, _): Sequential<ApiCaller<AnyToken>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
    rates: Data<RateLimits>,
) -> Result<Json<wire::Policy>, ApiError> {
    Ok(Json(wire::Policy::new(&tokenry, **rates)))
}
