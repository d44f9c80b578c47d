//! The metadata of the protected resource (RFC 9728), by which clients such as those of MCP find an authorization server.

use actix_web::{
    HttpRequest,
    web::{Json, ServiceConfig},
};
use macro_rules_attribute::apply;
use tokenry_service::ProtectedResource;

use super::{RouteName, default_path, endpoint, pattern};
use crate::{access::Public, error::ApiError, fallback::Endpoint, query::StrictQuery, wire};

/// The metadata of RFC 9728, if an authorization server is configured. All URLs are those of the configuration.
#[apply(endpoint)]
#[openapi(tag = "verification", responses(
    (status = 200, body = wire::ResourceMetadata),
    (status = 404, description = "No authorization server is configured."),
))]
pub(crate) async fn show_resource(
    _: Public,
    _: StrictQuery<()>,
    req: HttpRequest,
) -> Result<Json<wire::ResourceMetadata>, ApiError> {
    metadata(&req)
}

/// The same at the path that RFC 9728, section 3.1 makes of the path of the resource.
#[apply(endpoint)]
#[openapi(tag = "verification",
    params(("path" = String, Path, description = "The path of the resource, slashes included.")), responses(
    (status = 200, body = wire::ResourceMetadata),
    (status = 404, description = "No authorization server is configured, or the resource has another path."),
))]
pub(crate) async fn show_resource_at_path(
    _: Public,
    _: StrictQuery<()>,
    req: HttpRequest,
) -> Result<Json<wire::ResourceMetadata>, ApiError> {
    metadata(&req)
}

fn metadata(req: &HttpRequest) -> Result<Json<wire::ResourceMetadata>, ApiError> {
    // SECURITY: nothing is taken from the request, which could name a server of its own. The path is compared as it was
    // sent, before anything is decoded.
    let resource = req.app_data::<ProtectedResource>().ok_or(ApiError::NotFound)?;
    if !resource.is_metadata_path(req.uri().path()) {
        return Err(ApiError::NotFound);
    }
    Ok(Json(resource.into()))
}

/// The metadata of the app's [`ProtectedResource`], for an app without Tokenry's API, which has these paths already.
///
/// ```
/// use actix_web::App;
/// use tokenry_actix::{protected_resource_metadata, tokenry::ProtectedResource};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let servers = ["https://id.example.com"];
/// let resource = ProtectedResource::new("https://mcp.example.com/mcp", servers, ["notes:read"])?;
/// let app = App::new().app_data(resource).configure(protected_resource_metadata);
/// # Ok(()) }
/// ```
pub fn protected_resource_metadata(app: &mut ServiceConfig) {
    for name in [RouteName::ShowResource, RouteName::ShowResourceAtPath] {
        let endpoint = Endpoint::new(&pattern(default_path(name))).uncached();
        app.service(endpoint.get(show_resource));
    }
}
