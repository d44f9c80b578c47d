//! The counts for a monitoring system.

use actix_web::{HttpResponse, web::Data};
use macro_rules_attribute::apply;
use tokenry_service::Tokenry;

use super::endpoint;
use crate::{
    api_caller::ApiCaller, body::Sequential, error::ApiError, metrics::Metrics, query::StrictQuery,
    scopes::AdminRead,
};

/// Counts of this process for Prometheus, in its text format 0.0.4. The server can also serve them on an address of its
/// own, without a token.
#[apply(endpoint)]
#[openapi(tag = "operations", responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain")))]
pub(crate) async fn show_metrics(
    _: Sequential<ApiCaller<AdminRead>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
    metrics: Data<Metrics>,
) -> Result<HttpResponse, ApiError> {
    metrics.respond(&tokenry).await
}
