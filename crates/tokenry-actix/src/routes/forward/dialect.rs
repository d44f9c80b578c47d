//! How each kind of proxy asks, and which answers it understands.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
};

use super::forwarded::Forwarded;
use crate::error::{ApiError, Problem};

/// Where Envoy puts the client's path behind.
const ENVOY_PREFIX: &str = "/auth/envoy";

/// The real status of an answer to nginx.
const X_TOKENRY_STATUS: HeaderName = HeaderName::from_static("x-tokenry-status");

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProxyDialect {
    /// `X-Original-Method` and `X-Original-URI`; understands 200, 401 and 403.
    Nginx,
    /// `X-Forwarded-Method` and `X-Forwarded-Uri`: Traefik, Caddy, and Envoy without `path_prefix`.
    Forwarded,
    /// The client's own method, and its path behind ours.
    EnvoyPath,
}

impl ProxyDialect {
    /// The query that the proxy was configured with.
    ///
    /// SECURITY: whoever writes the query decides what is asked. Behind Envoy's `path_prefix` that is the client. So it
    /// is where a proxy passes the client's query on, as Caddy does with a `uri` that has no question mark: then it is
    /// the one of the client's target, and refused.
    pub(super) fn configured(self, req: &HttpRequest) -> Result<Option<&str>, ApiError> {
        let query = req.query_string();
        let Some((_, target)) = self.headers() else { return Ok(None) };
        if query.is_empty() {
            return Ok(None);
        }
        let of_client = |target: &[u8]| {
            let at = target.iter().position(|b| *b == b'?');
            at.and_then(|at| target.get(at + 1..)) == Some(query.as_bytes())
        };
        if req.headers().get_all(target).any(|value| of_client(value.as_bytes())) {
            let detail = "The query is that of the client's request; a proxy must send its own or none.";
            return Err(ApiError::InvalidRequest { detail: detail.into() });
        }
        Ok(Some(query))
    }

    /// The headers with the client's method and target.
    fn headers(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Nginx => Some(("x-original-method", "x-original-uri")),
            Self::Forwarded => Some(("x-forwarded-method", "x-forwarded-uri")),
            Self::EnvoyPath => None,
        }
    }

    /// The request that the proxy asks about.
    pub(super) fn forwarded(self, req: &HttpRequest) -> Result<Forwarded, ApiError> {
        match self.headers() {
            Some((method, target)) => Forwarded::by_headers(req, method, target),
            None => {
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
