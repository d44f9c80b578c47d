//! The metadata of the authorization server (RFC 8414), by which libraries find introspection and revocation.

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use macro_rules_attribute::apply;
use tokenry_service::Tokenry;

use super::super::endpoint;
use crate::{
    access::Public, error::ApiError, query::StrictQuery, session::request_origin::RequestOrigin, wire,
};

/// The path of RFC 8414, section 3.
const PATH: &str = "/.well-known/oauth-authorization-server";

/// The metadata of RFC 8414. There is no endpoint that issues tokens by OAuth: only those for introspection and revocation
/// are named. The issuer is the origin that the request was sent to, with the path below which the API is mounted.
#[apply(endpoint)]
#[openapi(tag = "verification", responses(
    (status = 200, body = wire::OAuthMetadata),
    (status = 403, description = "The Host header has no valid host."),
))]
pub(crate) async fn show_oauth_metadata(
    _: Public,
    _: StrictQuery<()>,
    req: HttpRequest,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::OAuthMetadata>, ApiError> {
    let origin = RequestOrigin::of(&req)?.origin();
    // An app may mount the API below a path.
    let mount = req.path().strip_suffix(PATH).unwrap_or_default();
    Ok(Json(wire::OAuthMetadata::new(format!("{origin}{mount}"), tokenry.catalog())))
}
