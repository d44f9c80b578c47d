//! How each kind of proxy asks, and which answers it understands.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
};

use super::forwarded::Forwarded;
use crate::{error::ApiError, problem::Problem};

/// Where Envoy puts the client's path behind.
const ENVOY_PREFIX: &str = "/auth/envoy";

/// The real status of an answer to nginx.
const X_TOKENRY_STATUS: HeaderName = HeaderName::from_static("x-tokenry-status");

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `X-Original-Method` and `X-Original-URI`; understands 200, 401 and 403.
    Nginx,
    /// `X-Forwarded-Method` and `X-Forwarded-Uri`: Traefik, Caddy, and Envoy without `path_prefix`.
    Forwarded,
    /// The client's own method, and its path behind ours.
    EnvoyPath,
}

impl Dialect {
    /// Whether the query of the request comes from the proxy's configuration.
    ///
    /// SECURITY: behind Envoy's `path_prefix` the query is the client's, who could ask for the scope they have.
    pub(super) fn is_configured_by_query(self) -> bool {
        self != Self::EnvoyPath
    }

    /// The request that the proxy asks about.
    pub(super) fn forwarded(self, req: &HttpRequest) -> Result<Forwarded, ApiError> {
        match self {
            Self::Nginx => Forwarded::by_headers(req, "x-original-method", "x-original-uri"),
            Self::Forwarded => Forwarded::by_headers(req, "x-forwarded-method", "x-forwarded-uri"),
            Self::EnvoyPath => {
                // A prefix in another spelling leaves nothing, which is no path.
                let path = req.uri().path().strip_prefix(ENVOY_PREFIX).unwrap_or_default();
                Forwarded::new(req.method().as_str().as_bytes(), path.as_bytes())
            }
        }
    }

    /// The refusal in a form that the proxy understands.
    pub(super) fn refusal(self, error: &ApiError) -> HttpResponse {
        let problem = Problem::from(error);
        let status = problem.status();
        if self != Self::Nginx || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return problem.respond(error.headers());
        }
        let mut response = problem.with_status(StatusCode::FORBIDDEN).respond(error.headers());
        response.headers_mut().insert(X_TOKENRY_STATUS, HeaderValue::from(status.as_u16()));
        response
    }
}
