//! How each kind of proxy describes a request, and which responses it understands.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue, WWW_AUTHENTICATE},
    },
};

use super::forwarded::Forwarded;
use crate::{
    error::{ApiError, Problem},
    query::query_string,
    request_id::RequestId,
};

/// The prefix that Envoy puts before the client's path.
const ENVOY_PREFIX: &str = "/auth/envoy";

/// The header with the original status of a response to nginx.
const X_TOKENRY_STATUS: HeaderName = HeaderName::from_static("x-tokenry-status");

/// The header with the body of a rejection, with its original status, in a response to nginx, which does not pass bodies on.
const X_TOKENRY_PROBLEM: HeaderName = HeaderName::from_static("x-tokenry-problem");

/// The protocol of a kind of proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProxyDialect {
    /// `X-Original-Method` and `X-Original-URI`; understands 200, 401 and 403.
    Nginx,
    /// `X-Forwarded-Method` and `X-Forwarded-Uri`: Traefik, Caddy, and Envoy without `path_prefix`.
    Forwarded,
    /// The client's own method, and its path after [`ENVOY_PREFIX`].
    EnvoyPath,
}

impl ProxyDialect {
    /// The query that the proxy is configured with.
    ///
    /// SECURITY: the author of the query decides which scopes are required. With Envoy's `path_prefix` that is the client,
    /// so the query is ignored. A proxy may also pass the client's query on, as Caddy does with a `uri` without a question
    /// mark; such a query equals that of the client's target and is rejected.
    pub(super) fn configured(self, req: &HttpRequest) -> Result<Option<&str>, ApiError> {
        let Some((_, target)) = self.headers() else { return Ok(None) };
        let query = query_string(req)?;
        if query.is_empty() {
            return Ok(None);
        }
        if req.headers().get_all(target).any(|value| query_of(value.as_bytes()) == Some(query.as_bytes())) {
            let detail =
                "The query is that of the client's request; a proxy must send its own query or none.";
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

    /// The client's request that the proxy describes.
    pub(super) fn forwarded(self, req: &HttpRequest) -> Result<Forwarded, ApiError> {
        match self.headers() {
            Some((method, target)) => Forwarded::by_headers(req, method, target),
            None => {
                // A prefix in another encoding leaves an empty text, which is rejected as a path.
                let path = req.uri().path().strip_prefix(ENVOY_PREFIX).unwrap_or_default();
                Forwarded::new(req.method().as_str().as_bytes(), path.as_bytes())
            }
        }
    }

    /// The error response in a form that the proxy understands.
    pub(super) fn error_response(self, req: &HttpRequest, error: &ApiError) -> HttpResponse {
        let problem = Problem::from(error);
        let status = problem.status();
        let headers = with_one_challenge(error.headers());
        if self != Self::Nginx {
            return problem.respond(headers);
        }
        let body = problem.clone().with_request_id(&RequestId::of(req)).to_json();
        let is_understood = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let problem = if is_understood { problem } else { problem.with_status(StatusCode::FORBIDDEN) };
        let mut response = problem.respond(headers);
        let headers = response.headers_mut();
        if !is_understood {
            headers.insert(X_TOKENRY_STATUS, HeaderValue::from(status.as_u16()));
        }
        // A text that is not a valid header is omitted, and the recipe sends an empty body.
        if let Ok(body) = HeaderValue::from_bytes(&body) {
            headers.insert(X_TOKENRY_PROBLEM, body);
        }
        response
    }
}

/// The headers with all challenges in one line, Bearer last.
///
/// nginx before version 1.23 passes on one line only. Maven and Docker read the first challenge of each line; Docker prefers
/// Bearer where it finds one, takes its realm for the address of a token server, and then does not send its password.
fn with_one_challenge(headers: Vec<(HeaderName, HeaderValue)>) -> Vec<(HeaderName, HeaderValue)> {
    let (challenges, mut others): (Vec<_>, Vec<_>) =
        headers.into_iter().partition(|(name, _)| *name == WWW_AUTHENTICATE);
    let values: Vec<_> = challenges.iter().rev().map(|(_, value)| value.as_bytes()).collect();
    if !values.is_empty() {
        others
            .extend(HeaderValue::from_bytes(&values.join(&b", "[..])).map(|value| (WWW_AUTHENTICATE, value)));
    }
    others
}

/// The query of a request target.
fn query_of(target: &[u8]) -> Option<&[u8]> {
    let mark = target.iter().position(|b| *b == b'?')?;
    target.get(mark + 1..)
}
