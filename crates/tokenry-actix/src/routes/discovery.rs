//! The base URL of the API, for documents by which clients find its endpoints.

use actix_web::HttpRequest;

use crate::{client_ip, error::ApiError, session::request_origin::RequestOrigin};

/// Headers that proxies add.
const PROXY_HEADERS: [&str; 5] =
    ["x-forwarded-proto", "x-forwarded-for", "x-forwarded-host", "forwarded", "via"];

/// The origin that the request was sent to, with the path below which the app mounts the API. The request is for `path` of
/// the API.
///
/// # Errors
/// [`ApiError::Forbidden`] unless the scheme and the host that the client used are known; [`ApiError::NotFound`] if the path
/// of the request is spelled in another way.
pub(super) fn base_url(req: &HttpRequest, path: &str) -> Result<String, ApiError> {
    // SECURITY: behind a proxy that is not trusted the origin would be that of the connection from the proxy, and a client
    // that was sent to `http://` would present its secret without TLS.
    let origin = RequestOrigin::of(req)?;
    let is_trusted = client_ip::is_trusted(req);
    if is_trusted && !origin.is_local() && !req.headers().contains_key("x-forwarded-proto") {
        return Err(forbidden("The proxy that sent this request must set X-Forwarded-Proto."));
    }
    if !is_trusted && PROXY_HEADERS.iter().any(|name| req.headers().contains_key(*name)) {
        return Err(forbidden(
            "The proxy that sent this request is not trusted; see server.trusted_proxies.",
        ));
    }
    // An app may mount the API below a path.
    let mount = req.path().strip_suffix(path).ok_or(ApiError::NotFound)?;
    Ok(format!("{}{mount}", origin.origin()))
}

fn forbidden(detail: &'static str) -> ApiError {
    ApiError::Forbidden { detail: detail.into(), errors: Vec::new() }
}
