//! The rules of this installation.

use actix_web::web::{Data, Json};
use tokenry_service::Tokenry;

use super::HttpSettings;
use crate::{
    api_caller::ApiCaller, authorized::AnyToken, body::Sequential, error::ApiError, problem::Problem,
    query::StrictQuery, wire,
};

/// What this server decides for all tokens and callers. In the numbers 0 is no limit, as in the settings file.
#[utoipa::path(get, path = "/api/v1/policy", tag = "tokens", security(("token" = [])), responses(
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

/// The limits that the adapter keeps, for a minute; `None` where there is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimits {
    pub(crate) management: Option<u32>,
    pub(crate) failures: Option<u32>,
}

impl RateLimits {
    pub(super) fn of(settings: &HttpSettings) -> Self {
        #[cfg(feature = "route-quotas")]
        let management = settings.management.as_ref().map(|quota| quota.per_minute().get());
        #[cfg(not(feature = "route-quotas"))]
        let management = None;
        Self { management, failures: settings.failures.as_ref().map(|limit| limit.per_minute().get()) }
    }
}
