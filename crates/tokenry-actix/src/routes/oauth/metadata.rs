//! The metadata of the authorization server (RFC 8414), by which libraries find introspection and revocation.

use actix_web::{HttpRequest, web::Json};
use macro_rules_attribute::apply;

use super::super::{discovery::base_url, endpoint};
use crate::{access::Public, error::ApiError, query::StrictQuery, wire};

/// The path of RFC 8414, section 3.
const PATH: &str = "/.well-known/oauth-authorization-server";

/// The metadata of RFC 8414. There is no endpoint that issues tokens by OAuth: only those for introspection and revocation
/// are named. The issuer is the origin that the request was sent to, with the path below which the API is mounted.
#[apply(endpoint)]
#[openapi(tag = "verification", responses(
    (status = 200, body = wire::OAuthMetadata),
    (status = 403, description = "The Host header has no valid host, or a proxy sent the request that is not trusted or does not set X-Forwarded-Proto."),
    (status = 404, description = "The path is spelled in another way."),
))]
pub(crate) async fn show_oauth_metadata(
    _: Public,
    _: StrictQuery<()>,
    req: HttpRequest,
) -> Result<Json<wire::OAuthMetadata>, ApiError> {
    Ok(Json(wire::OAuthMetadata::new(base_url(&req, PATH)?)))
}
