//! [`ApiError`]: every refusal of the HTTP API, and the only table of status codes.

mod from_service;
mod problem;
mod readiness;

use std::{borrow::Cow, fmt::Display};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, CACHE_CONTROL, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use thiserror::Error;

pub(crate) use self::problem::complete;
pub use self::{
    problem::{FieldProblem, PROBLEM_JSON, Problem},
    readiness::ReadinessCheck,
};

/// A sentence for the caller; it never quotes a value that the caller sent.
pub type Detail = Cow<'static, str>;

/// Why a request was refused. Answered as `application/problem+json`; see [`Problem`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The request does not follow HTTP or this API in a way that has no name of its own.
    #[error("invalid request")]
    InvalidRequest {
        /// What is wrong.
        detail: Detail,
    },
    /// The `Authorization` header is doubled or is not a scheme and one value; the session cookie is doubled; or there
    /// are both.
    #[error("malformed credential")]
    MalformedCredential,
    /// The body is not one JSON value of acceptable shape: syntax, depth, doubled keys, encoding.
    #[error("malformed JSON")]
    MalformedJson {
        /// What is wrong.
        detail: Detail,
    },
    /// The request carries no credential.
    #[error("authentication required")]
    AuthenticationRequired,
    /// The credential is unknown, misspelt or holds a wrong secret: one answer for all of them.
    #[error("invalid token")]
    InvalidToken,
    /// The secret is right, the token has expired.
    #[error("expired token")]
    ExpiredToken,
    /// The secret is right, the token was revoked.
    #[error("revoked token")]
    RevokedToken,
    /// The secret is right, the token is switched off or not valid yet.
    #[error("inactive token")]
    InactiveToken,
    /// The secret is right, the token's owner is disabled.
    #[error("user disabled")]
    UserDisabled,
    /// The caller is known but lacks a scope.
    #[error("insufficient scope")]
    InsufficientScope {
        /// The scopes that would be enough, separated by spaces.
        missing: String,
    },
    /// The token is not accepted from the caller's address.
    #[error("address not allowed")]
    IpNotAllowed,
    /// The caller is known and has the scope, but may not do this.
    #[error("forbidden")]
    Forbidden {
        /// What is not allowed.
        detail: Detail,
        /// The fields that ask for it, if it is about fields.
        errors: Vec<FieldProblem>,
    },
    /// There is nothing here for this caller; also what someone else's resource looks like.
    #[error("not found")]
    NotFound,
    /// The path exists, not with this method.
    #[error("method not allowed")]
    MethodNotAllowed {
        /// The methods that do exist, as the `Allow` header writes them; may be empty.
        allow: String,
    },
    /// The resource is in a state that forbids the request, or changed since it was read.
    #[error("conflict")]
    Conflict {
        /// What collides.
        detail: Detail,
    },
    /// The owner already has as many live tokens as the policy allows.
    #[error("token limit reached")]
    TokenLimitReached {
        /// The limit, in words.
        detail: Detail,
    },
    /// The body is larger than the limit.
    #[error("payload too large")]
    PayloadTooLarge,
    /// One header, or all of them together, are larger than the limit.
    #[error("headers too large")]
    HeadersTooLarge,
    /// The body did not arrive in time.
    #[error("request timeout")]
    RequestTimeout,
    /// The body is of another type, or encoded in another way, than this route reads.
    #[error("unsupported media type")]
    UnsupportedMediaType,
    /// The request is well formed, but fields or parameters hold what they may not.
    #[error("validation failed")]
    ValidationFailed(Vec<FieldProblem>),
    /// The caller used up a quota.
    #[error("rate limited")]
    RateLimited {
        /// The quota's name: lower-case ASCII letters, digits and `-`.
        policy: &'static str,
        /// Requests allowed in one window.
        quota: u64,
        /// Length of the window in seconds.
        window_seconds: u64,
        /// Seconds until a request may succeed again.
        retry_after_seconds: u64,
        /// What is limited.
        detail: Detail,
    },
    /// Something this server needs does not answer. Never means that a credential is bad.
    #[error("service unavailable")]
    Unavailable {
        /// Seconds after which another attempt is reasonable.
        retry_after_seconds: u64,
    },
    /// A readiness check failed.
    #[error("not ready")]
    NotReady {
        /// All checks.
        checks: Vec<ReadinessCheck>,
    },
    /// A fault of this server. The answer says nothing about it; make it with
    /// [`internal`](Self::internal), so that the log does.
    #[error("internal error")]
    Internal,
}

impl ApiError {
    /// A 500 answer; `cause` is logged here, once, and never shown to the caller.
    #[must_use]
    pub fn internal(cause: impl Display) -> Self {
        tracing::error!(target: "tokenry::fault", %cause, "internal error");
        Self::Internal
    }

    /// A 503 answer; `cause` is logged here, once, and never shown to the caller.
    #[must_use]
    pub fn unavailable(cause: impl Display, retry_after_seconds: u64) -> Self {
        tracing::warn!(target: "tokenry::fault", %cause, "service unavailable");
        Self::Unavailable { retry_after_seconds }
    }

    /// One invalid field or parameter; see [`ValidationFailed`](Self::ValidationFailed).
    #[must_use]
    pub fn field(pointer: impl Into<String>, code: &'static str, detail: impl Into<Detail>) -> Self {
        Self::ValidationFailed(vec![FieldProblem::new(pointer, code, detail)])
    }

    /// The stable, machine-readable name of this refusal.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().1
    }

    /// Whether a credential that came was refused, for whatever it is or may not be used from.
    pub(crate) fn is_about_credential(&self) -> bool {
        matches!(
            self,
            Self::InvalidToken
                | Self::ExpiredToken
                | Self::RevokedToken
                | Self::InactiveToken
                | Self::UserDisabled
                | Self::IpNotAllowed
        )
    }

    /// Status, code and title: the only such table.
    pub(crate) fn row(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidRequest { .. } | Self::MalformedCredential => {
                (StatusCode::BAD_REQUEST, "invalid_request", "Invalid request")
            }
            Self::MalformedJson { .. } => (StatusCode::BAD_REQUEST, "malformed_json", "Malformed JSON"),
            Self::AuthenticationRequired => {
                (StatusCode::UNAUTHORIZED, "authentication_required", "Authentication required")
            }
            Self::InvalidToken => (StatusCode::UNAUTHORIZED, "invalid_token", "Invalid token"),
            Self::ExpiredToken => (StatusCode::UNAUTHORIZED, "expired_token", "Expired token"),
            Self::RevokedToken => (StatusCode::UNAUTHORIZED, "revoked_token", "Revoked token"),
            Self::InactiveToken => (StatusCode::UNAUTHORIZED, "inactive_token", "Inactive token"),
            Self::UserDisabled => (StatusCode::UNAUTHORIZED, "user_disabled", "User disabled"),
            Self::InsufficientScope { .. } => {
                (StatusCode::FORBIDDEN, "insufficient_scope", "Insufficient scope")
            }
            Self::IpNotAllowed => (StatusCode::FORBIDDEN, "ip_not_allowed", "Address not allowed"),
            Self::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden", "Forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "Not found"),
            Self::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed")
            }
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout", "Request timeout"),
            Self::Conflict { .. } => (StatusCode::CONFLICT, "conflict", "Conflict"),
            Self::TokenLimitReached { .. } => {
                (StatusCode::CONFLICT, "token_limit_reached", "Token limit reached")
            }
            Self::PayloadTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "Payload too large")
            }
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type")
            }
            Self::ValidationFailed(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", "Validation failed")
            }
            Self::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests"),
            Self::HeadersTooLarge => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "Headers too large")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Internal error"),
            Self::Unavailable { .. } | Self::NotReady { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", "Service unavailable")
            }
        }
    }

    /// The sentence for the caller.
    pub(crate) fn detail(&self) -> Detail {
        Cow::Borrowed(match self {
            Self::InvalidRequest { detail }
            | Self::MalformedJson { detail }
            | Self::Forbidden { detail, .. }
            | Self::Conflict { detail }
            | Self::TokenLimitReached { detail }
            | Self::RateLimited { detail, .. } => return detail.clone(),
            Self::InsufficientScope { missing } => {
                return Cow::Owned(format!("The credential lacks a scope; needed: {missing}."));
            }
            Self::NotReady { checks } => {
                let failed: Vec<_> = checks.iter().filter_map(ReadinessCheck::failed_name).collect();
                return Cow::Owned(format!("Not ready; what failed: {}.", failed.join(", ")));
            }
            Self::MalformedCredential => {
                "Send one credential: one Authorization header with a scheme and one value, or one session cookie."
            }
            Self::AuthenticationRequired => "Send a token: Authorization: Bearer <token>.",
            Self::InvalidToken => "The token is not valid.",
            Self::ExpiredToken => "The token has expired.",
            Self::RevokedToken => "The token was revoked.",
            Self::InactiveToken => "The token is not active.",
            Self::UserDisabled => "The token's owner is disabled.",
            Self::IpNotAllowed => "The token is not accepted from this address.",
            Self::NotFound => "There is nothing at this path for this caller.",
            Self::MethodNotAllowed { .. } => "The path exists, but not with this method; see Allow.",
            Self::PayloadTooLarge => "The body is larger than this route accepts.",
            Self::HeadersTooLarge => "The headers are larger than this server accepts.",
            Self::RequestTimeout => "The body did not arrive in time.",
            Self::UnsupportedMediaType => "The body's type or encoding is not one this route reads.",
            Self::ValidationFailed(_) => "Some fields or parameters are not acceptable; see errors.",
            Self::Unavailable { .. } => "The service cannot answer now; try again later.",
            Self::Internal => "Something went wrong here; the request id finds it in the log.",
        })
    }

    /// What is wrong field by field, if it is about fields.
    pub(crate) fn field_errors(&self) -> &[FieldProblem] {
        match self {
            Self::ValidationFailed(errors) | Self::Forbidden { errors, .. } => errors,
            _ => &[],
        }
    }

    /// All readiness checks, if it is about them.
    pub(crate) fn checks(&self) -> &[ReadinessCheck] {
        match self {
            Self::NotReady { checks } => checks,
            _ => &[],
        }
    }

    /// The headers that belong to this refusal, besides the body's own.
    pub(crate) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = vec![(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        if let Some(challenge) = self.challenge() {
            headers.push((WWW_AUTHENTICATE, challenge));
        }
        match self {
            Self::MethodNotAllowed { allow } if !allow.is_empty() => {
                headers.extend(HeaderValue::from_str(allow).map(|value| (ALLOW, value)));
            }
            Self::Unavailable { retry_after_seconds } => {
                headers.push((RETRY_AFTER, HeaderValue::from((*retry_after_seconds).max(1))));
            }
            Self::NotReady { .. } => headers.push((RETRY_AFTER, HeaderValue::from_static("2"))),
            // Names and structured fields as in draft-ietf-httpapi-ratelimit-headers-10.
            Self::RateLimited { policy, quota, window_seconds, retry_after_seconds, .. } => {
                let seconds = (*retry_after_seconds).max(1);
                headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
                let fields = [
                    ("ratelimit-policy", format!("\"{policy}\";q={quota};w={window_seconds}")),
                    ("ratelimit", format!("\"{policy}\";r=0;t={seconds}")),
                ];
                headers.extend(fields.into_iter().filter_map(|(name, value)| {
                    Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
                }));
            }
            _ => {}
        }
        headers
    }

    /// `WWW-Authenticate` (RFC 6750, section 3): no `error` where no credential came.
    fn challenge(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static(match self {
            Self::AuthenticationRequired => r#"Bearer realm="tokenry""#,
            Self::InvalidToken
            | Self::ExpiredToken
            | Self::RevokedToken
            | Self::InactiveToken
            | Self::UserDisabled => r#"Bearer realm="tokenry", error="invalid_token""#,
            Self::MalformedCredential => r#"Bearer error="invalid_request""#,
            Self::InsufficientScope { missing } => {
                // SECURITY: only RFC 6750's scope characters enter the quoted string.
                let scope: String =
                    missing.chars().filter(|c| matches!(c, ' '..='~' if !matches!(c, '"' | '\\'))).collect();
                let challenge = format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
                return HeaderValue::from_str(&challenge).ok();
            }
            _ => return None,
        }))
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.row().0
    }

    fn error_response(&self) -> HttpResponse {
        Problem::from(self).respond(self.headers())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, code and `WWW-Authenticate` of an answer.
    fn seen(error: &ApiError) -> (u16, &'static str, String) {
        let response = error.error_response();
        let challenge = response.headers().get(WWW_AUTHENTICATE).map(|it| it.to_str().unwrap().to_owned());
        assert_eq!(response.headers().get(CACHE_CONTROL).unwrap(), "no-store");
        (response.status().as_u16(), error.code(), challenge.unwrap_or_default())
    }

    #[test]
    fn credentials_are_challenged_as_rfc_6750_says() {
        let invalid = r#"Bearer realm="tokenry", error="invalid_token""#;
        let missing = "a:read b:write".to_owned();
        for (error, status, code, challenge) in [
            (ApiError::AuthenticationRequired, 401, "authentication_required", r#"Bearer realm="tokenry""#),
            (ApiError::InvalidToken, 401, "invalid_token", invalid),
            (ApiError::ExpiredToken, 401, "expired_token", invalid),
            (ApiError::RevokedToken, 401, "revoked_token", invalid),
            (ApiError::InactiveToken, 401, "inactive_token", invalid),
            (ApiError::UserDisabled, 401, "user_disabled", invalid),
            (ApiError::MalformedCredential, 400, "invalid_request", r#"Bearer error="invalid_request""#),
            (
                ApiError::InsufficientScope { missing },
                403,
                "insufficient_scope",
                r#"Bearer error="insufficient_scope", scope="a:read b:write""#,
            ),
            (ApiError::IpNotAllowed, 403, "ip_not_allowed", ""),
            (ApiError::Unavailable { retry_after_seconds: 1 }, 503, "service_unavailable", ""),
        ] {
            assert_eq!(seen(&error), (status, code, challenge.to_owned()));
        }
    }

    #[test]
    fn no_scope_text_breaks_out_of_the_challenge() {
        let missing = "a\", error=\"x\\\r\nSet-Cookie: a=b é".to_owned();
        let (.., challenge) = seen(&ApiError::InsufficientScope { missing });
        assert_eq!(challenge, r#"Bearer error="insufficient_scope", scope="a, error=xSet-Cookie: a=b ""#);
    }

    #[test]
    fn another_attempt_is_never_due_at_once() {
        let response = ApiError::unavailable("pool is full", 0).error_response();
        assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "1");
    }

    #[test]
    fn a_cause_is_not_shown() {
        let shown = format!("{:?} {}", ApiError::internal("pat_s3cret"), ApiError::internal("pat_s3cret"));
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
