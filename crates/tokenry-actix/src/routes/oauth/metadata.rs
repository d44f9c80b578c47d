//! The metadata of the authorization server (RFC 8414), by which libraries find introspection and revocation.

use actix_web::{HttpRequest, web::Json};
use macro_rules_attribute::apply;

use super::super::endpoint;
use crate::{
    access::Public, client_ip, error::ApiError, query::StrictQuery, session::request_origin::RequestOrigin,
    wire,
};

/// The path of RFC 8414, section 3.
const PATH: &str = "/.well-known/oauth-authorization-server";

/// Headers that proxies add.
const PROXY_HEADERS: [&str; 5] =
    ["x-forwarded-proto", "x-forwarded-for", "x-forwarded-host", "forwarded", "via"];

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
    // SECURITY: behind a proxy that is not trusted the origin would be that of the connection from the proxy, and a client
    // that was sent to `http://` would present its secret without TLS.
    let origin = RequestOrigin::of(&req)?;
    let is_trusted = client_ip::is_trusted(&req);
    if is_trusted && !origin.is_local() && !req.headers().contains_key("x-forwarded-proto") {
        return Err(forbidden("The proxy that sent this request must set X-Forwarded-Proto."));
    }
    if !is_trusted && PROXY_HEADERS.iter().any(|name| req.headers().contains_key(*name)) {
        return Err(forbidden(
            "The proxy that sent this request is not trusted; see server.trusted_proxies.",
        ));
    }
    let origin = origin.origin();
    // An app may mount the API below a path.
    let mount = req.path().strip_suffix(PATH).ok_or(ApiError::NotFound)?;
    Ok(Json(wire::OAuthMetadata::new(format!("{origin}{mount}"))))
}

fn forbidden(detail: &'static str) -> ApiError {
    ApiError::Forbidden { detail: detail.into(), errors: Vec::new() }
}
