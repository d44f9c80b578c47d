//! [`Rejected`]: why a request was rejected, and the response.

use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;
use tokenry_service::{Rejection, ScopeSet, VerifyError};

/// Why a request was rejected. It is in the extensions of the response, for layers outside.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejected {
    /// The `Authorization` header is repeated or is not a scheme and one value.
    MalformedCredential,
    /// The request has no bearer credential.
    AuthenticationRequired,
    /// The token is unknown, malformed or has a wrong secret: one error for all of them.
    InvalidToken,
    /// The secret is correct, but the token has expired.
    ExpiredToken,
    /// The secret is correct, but the token was revoked or rotated.
    RevokedToken,
    /// The secret is correct, but the token is deactivated or not valid yet.
    InactiveToken,
    /// The secret is correct, but the token's owner is disabled.
    UserDisabled,
    /// The token is not accepted from the source address.
    IpNotAllowed,
    /// The token lacks these scopes.
    InsufficientScope(ScopeSet),
    /// The token cannot be verified now. Says nothing about the token.
    Unavailable {
        /// Seconds after which another attempt is reasonable.
        retry_after_seconds: u64,
    },
    /// The program is built wrongly; the log says how.
    Internal,
}

/// `Retry-After` in seconds when the database does not respond, and when too many verifications wait.
const DATABASE_RETRY: u64 = 2;
const BUSY_RETRY: u64 = 1;

impl Rejected {
    /// The stable, machine-readable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().1
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.row().0
    }

    /// Status, code, title and the sentence for the caller.
    fn row(&self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Self::MalformedCredential => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "Invalid request",
                "Send one credential: one Authorization header with a scheme and one value, or one session cookie.",
            ),
            Self::AuthenticationRequired => (
                StatusCode::UNAUTHORIZED,
                "authentication_required",
                "Authentication required",
                "Send a token: Authorization: Bearer <token>.",
            ),
            Self::InvalidToken => {
                (StatusCode::UNAUTHORIZED, "invalid_token", "Invalid token", "The token is not valid.")
            }
            Self::ExpiredToken => {
                (StatusCode::UNAUTHORIZED, "expired_token", "Expired token", "The token has expired.")
            }
            Self::RevokedToken => {
                (StatusCode::UNAUTHORIZED, "revoked_token", "Revoked token", "The token was revoked.")
            }
            Self::InactiveToken => {
                (StatusCode::UNAUTHORIZED, "inactive_token", "Inactive token", "The token is not active.")
            }
            Self::UserDisabled => {
                (StatusCode::UNAUTHORIZED, "user_disabled", "User disabled", "The token's owner is disabled.")
            }
            Self::IpNotAllowed => (
                StatusCode::FORBIDDEN,
                "ip_not_allowed",
                "Address not allowed",
                "The token is not accepted from this address.",
            ),
            Self::InsufficientScope(_) => (
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                "Insufficient scope",
                "The credential lacks a scope; needed: ",
            ),
            Self::Unavailable { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "service_unavailable",
                "Service unavailable",
                "The service is temporarily unavailable; try again later.",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "Internal error",
                "An internal error occurred; the log has its cause under the request id.",
            ),
        }
    }

    /// `WWW-Authenticate` (RFC 6750, section 3): no `error` if the request has no credential.
    fn challenge(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static(match self {
            Self::AuthenticationRequired => r#"Bearer realm="tokenry""#,
            Self::InvalidToken
            | Self::ExpiredToken
            | Self::RevokedToken
            | Self::InactiveToken
            | Self::UserDisabled => r#"Bearer realm="tokenry", error="invalid_token""#,
            Self::MalformedCredential => r#"Bearer error="invalid_request""#,
            Self::InsufficientScope(scopes) => {
                // SECURITY: a scope has only characters that a quoted string may contain.
                let challenge = format!(r#"Bearer error="insufficient_scope", scope="{scopes}""#);
                return HeaderValue::from_str(&challenge).ok();
            }
            _ => return None,
        }))
    }

    /// The response: the problem (RFC 9457), the challenge, and `Retry-After` where a retry helps.
    #[must_use]
    pub fn into_response<B: From<Vec<u8>>>(self) -> Response<B> {
        let (status, code, title, detail) = self.row();
        let detail = match &self {
            Self::InsufficientScope(scopes) => format!("{detail}{scopes}."),
            _ => detail.to_owned(),
        };
        let problem = json!({
            "type": format!("urn:tokenry:problem:{code}"),
            "title": title,
            "status": status.as_u16(),
            "detail": detail,
            "code": code,
        });
        let mut response = Response::new(B::from(problem.to_string().into_bytes()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Self::Unavailable { retry_after_seconds } = self {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after_seconds.max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<VerifyError> for Rejected {
    fn from(error: VerifyError) -> Self {
        let retry_after_seconds = match error {
            VerifyError::Rejected(rejection) => return rejection.into(),
            VerifyError::Store(_) => DATABASE_RETRY,
            _ => BUSY_RETRY,
        };
        tracing::warn!(target: "tokenry::fault", cause = %error, "service unavailable");
        Self::Unavailable { retry_after_seconds }
    }
}

impl From<Rejection> for Rejected {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Revoked | Rejection::Rotated(_) => Self::RevokedToken,
            Rejection::Inactive | Rejection::Pending => Self::InactiveToken,
            Rejection::Expired => Self::ExpiredToken,
            Rejection::OwnerDisabled => Self::UserDisabled,
            Rejection::AddressNotAllowed => Self::IpNotAllowed,
            // SECURITY: a malformed token, an unknown id, a wrong secret and any later variant share one error.
            _ => Self::InvalidToken,
        }
    }
}

/// The response where no layer has authenticated the request.
pub(crate) fn without_identity<B: From<Vec<u8>>>() -> Response<B> {
    let cause = "the route is not inside of the layer tokenry_tower::Authenticate";
    tracing::error!(target: "tokenry::fault", %cause, "internal error");
    Rejected::Internal.into_response()
}
