//! [`ApiError`]: every error of the HTTP API, and the only table of status codes.

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
use tokenry_service::{CredentialError, Offers};

pub(crate) use self::problem::{PROBLEM_JSON, complete};
pub use self::{
    problem::{FieldProblem, Problem},
    readiness::ReadinessCheck,
};

/// A sentence for the caller; it never quotes a value of the request.
pub type Detail = Cow<'static, str>;

/// Why a request was rejected. The response is `application/problem+json`; see [`Problem`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The request violates HTTP or this API in a way that has no code of its own.
    #[error("invalid request")]
    InvalidRequest {
        /// What is wrong.
        detail: Detail,
    },
    /// The credential of the request does not permit it.
    #[error("{error}")]
    Credential {
        /// Why.
        error: CredentialError,
        /// What the challenge offers besides the scheme Bearer.
        offers: Offers,
    },
    /// The body is not one valid JSON value: syntax, depth, duplicate keys, encoding.
    #[error("malformed JSON")]
    MalformedJson {
        /// What is wrong.
        detail: Detail,
    },
    /// The caller has the scope, but this request is not allowed.
    #[error("forbidden")]
    Forbidden {
        /// What is not allowed.
        detail: Detail,
        /// The fields that are not allowed, if any.
        errors: Vec<FieldProblem>,
    },
    /// The resource does not exist or belongs to someone else.
    #[error("not found")]
    NotFound,
    /// The path exists, but not with this method.
    #[error("method not allowed")]
    MethodNotAllowed {
        /// The allowed methods in the format of the `Allow` header; may be empty.
        allow: String,
    },
    /// The state of the resource forbids the request, or the resource changed since it was read.
    #[error("conflict")]
    Conflict {
        /// What conflicts.
        detail: Detail,
    },
    /// The owner has the maximum number of live tokens.
    #[error("token limit reached")]
    TokenLimitReached {
        /// The limit, as a sentence.
        detail: Detail,
    },
    /// The body is larger than the limit.
    #[error("payload too large")]
    PayloadTooLarge,
    /// One header, or all headers together, exceed the limit.
    #[error("headers too large")]
    HeadersTooLarge,
    /// The body did not arrive in time.
    #[error("request timeout")]
    RequestTimeout,
    /// The route does not accept the type or encoding of the body.
    #[error("unsupported media type")]
    UnsupportedMediaType,
    /// The request is well formed, but fields or parameters are invalid.
    #[error("validation failed")]
    ValidationFailed(Vec<FieldProblem>),
    /// The caller exceeded a quota.
    #[error("rate limited")]
    RateLimited {
        /// The name of the quota: lower-case ASCII letters, digits and `-`.
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
    /// A dependency of this server does not respond. Says nothing about the credential.
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
    /// An error of this server. The response does not describe it; create it with [`internal`](Self::internal), which
    /// logs the cause.
    #[error("internal error")]
    Internal,
}

impl ApiError {
    /// A 500 response; `cause` is logged here, once, and never sent to the caller.
    #[must_use]
    pub fn internal(cause: impl Display) -> Self {
        tracing::error!(target: "tokenry::fault", %cause, "internal error");
        Self::Internal
    }

    /// A 503 response; `cause` is logged here, once, and never sent to the caller.
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

    /// The stable, machine-readable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().1
    }

    /// Whether the presented credential was rejected, including for its source address.
    pub(crate) fn is_about_credential(&self) -> bool {
        match self {
            Self::Credential { error, .. } => !matches!(
                error,
                CredentialError::Malformed
                    | CredentialError::Required
                    | CredentialError::InsufficientScope(_)
            ),
            _ => false,
        }
    }

    /// Whether the credential is unknown, malformed or has a wrong secret.
    pub(crate) fn is_invalid_token(&self) -> bool {
        matches!(self, Self::Credential { error: CredentialError::InvalidToken, .. })
    }

    /// The same error, whose challenge offers this.
    #[must_use]
    pub(crate) fn offering(self, offers: Offers) -> Self {
        match self {
            Self::Credential { error, .. } => Self::Credential { error, offers },
            other => other,
        }
    }

    /// Status, code and title: the only such table besides that of [`CredentialError`].
    pub(crate) fn row(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidRequest { .. } => (StatusCode::BAD_REQUEST, "invalid_request", "Invalid request"),
            Self::Credential { error, .. } => {
                let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
                (status, error.code(), error.title())
            }
            Self::MalformedJson { .. } => (StatusCode::BAD_REQUEST, "malformed_json", "Malformed JSON"),
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
            Self::Credential { error, .. } => return error.detail(),
            Self::NotReady { checks } => {
                let failed: Vec<_> = checks.iter().filter_map(ReadinessCheck::failed_name).collect();
                return Cow::Owned(format!("Not ready; failed checks: {}.", failed.join(", ")));
            }
            Self::NotFound => "The resource does not exist, or this caller has no access to it.",
            Self::MethodNotAllowed { .. } => "The path exists, but not with this method; see Allow.",
            Self::PayloadTooLarge => "The body is larger than this route accepts.",
            Self::HeadersTooLarge => "The headers are larger than this server accepts.",
            Self::RequestTimeout => "The body did not arrive in time.",
            Self::UnsupportedMediaType => "This route does not accept the type or encoding of the body.",
            Self::ValidationFailed(_) => "Some fields or parameters are invalid; see errors.",
            Self::Unavailable { .. } => "The service is temporarily unavailable; try again later.",
            Self::Internal => "An internal error occurred; the log has its cause under the request id.",
        })
    }

    /// The errors of single fields, if any.
    pub(crate) fn field_errors(&self) -> &[FieldProblem] {
        match self {
            Self::ValidationFailed(errors) | Self::Forbidden { errors, .. } => errors,
            _ => &[],
        }
    }

    /// All readiness checks, of [`NotReady`](Self::NotReady) only.
    pub(crate) fn checks(&self) -> &[ReadinessCheck] {
        match self {
            Self::NotReady { checks } => checks,
            _ => &[],
        }
    }

    /// The headers of the error response, without those of the body.
    pub(crate) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = vec![(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        match self {
            Self::Credential { error, offers } => {
                for challenge in error.challenges(offers) {
                    headers.extend(HeaderValue::from_str(&challenge).map(|value| (WWW_AUTHENTICATE, value)));
                }
            }
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
}

impl From<CredentialError> for ApiError {
    fn from(error: CredentialError) -> Self {
        Self::Credential { error, offers: Offers::default() }
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

    #[test]
    fn a_challenge_for_each_offered_scheme_is_a_header_of_its_own() {
        for (offers_basic, schemes) in [(false, vec!["Bearer"]), (true, vec!["Bearer", "Basic"])] {
            let offers = Offers::default().with_basic(offers_basic);
            let error = ApiError::from(CredentialError::RevokedToken).offering(offers);
            let response = error.error_response();
            let values = response.headers().get_all(WWW_AUTHENTICATE);
            let shown: Vec<_> =
                values.map(|value| value.to_str().unwrap().split(' ').next().unwrap().to_owned()).collect();
            assert_eq!(shown, schemes);
            assert_eq!(response.headers().get(CACHE_CONTROL).unwrap(), "no-store");
            assert_eq!((response.status().as_u16(), error.code()), (401, "revoked_token"));
        }
    }

    #[test]
    fn retry_after_is_at_least_one_second() {
        let response = ApiError::unavailable("pool is full", 0).error_response();
        assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "1");
    }

    #[test]
    fn a_cause_is_not_part_of_the_error() {
        let shown = format!("{:?} {}", ApiError::internal("pat_s3cret"), ApiError::internal("pat_s3cret"));
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
