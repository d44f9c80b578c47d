//! The client's request as forwarded by a proxy.

use actix_web::HttpRequest;
use tokenry_service::catalog::CanonicalPath;

use super::forbidden;
use crate::{client_ip, error::ApiError};

/// The registered HTTP methods that clients use. Unknown methods are rejected, because the guarded system might treat them
/// like another method.
const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "QUERY",
    "ACL",
    "COPY",
    "LOCK",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "PROPFIND",
    "PROPPATCH",
    "REPORT",
    "SEARCH",
    "UNLOCK",
];

/// Method and path of the client's request.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::routes) struct Forwarded {
    pub(in crate::routes) method: &'static str,
    pub(in crate::routes) path: CanonicalPath,
}

impl Forwarded {
    pub(in crate::routes) fn new(method: &[u8], target: &[u8]) -> Result<Self, ApiError> {
        let known = METHODS.iter().find(|known| known.as_bytes() == method);
        let method =
            known.ok_or_else(|| invalid("The method is not a registered HTTP method.".to_owned()))?;
        let path = CanonicalPath::parse(target).map_err(|error| invalid(format!("The path {error}.")))?;
        Ok(Self { method, path })
    }

    /// The request in these headers. SECURITY: only a trusted proxy may send them.
    pub(super) fn by_headers(req: &HttpRequest, method: &str, target: &str) -> Result<Self, ApiError> {
        if !client_ip::is_trusted(req) {
            return Err(forbidden(
                "Forwarded headers are accepted only from a trusted proxy; see server.trusted_proxies.",
            ));
        }
        Self::new(single_header(req, method)?, single_header(req, target)?)
    }
}

/// The value of a header that must be sent exactly once: of two, the proxy and the guarded system might use different ones.
fn single_header<'a>(req: &'a HttpRequest, name: &str) -> Result<&'a [u8], ApiError> {
    let mut values = req.headers().get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_bytes()),
        _ => Err(invalid(format!("The header {name} must be sent once."))),
    }
}

fn invalid(detail: String) -> ApiError {
    ApiError::InvalidRequest { detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_must_match_exactly() {
        for method in METHODS {
            assert_eq!(Forwarded::new(method.as_bytes(), b"/").unwrap().method, *method);
        }
        for method in ["", "get", "Get", "GET ", " GET", "GET, POST", "FOO", "PRI", "*", "G\u{0}T", "GETT"] {
            let rejected = Forwarded::new(method.as_bytes(), b"/");
            assert!(matches!(rejected, Err(ApiError::InvalidRequest { .. })), "{method}");
        }
    }
}
