//! [`Rejected`]: why a request was rejected, and the response.

use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;
use tokenry_service::{CredentialError, Offers, VerifyError};

/// Why a request was rejected. It is in the extensions of the response, for layers outside.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejected {
    /// The credential does not permit the request.
    Credential(CredentialError),
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
        match self {
            Self::Credential(error) => error.code(),
            Self::Unavailable { .. } => "service_unavailable",
            Self::Internal => "internal_error",
        }
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Credential(error) => {
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED)
            }
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The response: the problem (RFC 9457), the challenge with these offers, and `Retry-After` where a retry helps.
    pub(crate) fn into_response<B: From<Vec<u8>>>(self, offers: &Offers) -> Response<B> {
        let (status, code) = (self.status(), self.code());
        let (title, detail) = match &self {
            Self::Credential(error) => (error.title(), error.detail()),
            Self::Unavailable { .. } => {
                ("Service unavailable", "The service is temporarily unavailable; try again later.".into())
            }
            Self::Internal => (
                "Internal error",
                "An internal error occurred; the log has its cause under the request id.".into(),
            ),
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
        self.write_headers(response.headers_mut(), offers);
        response.extensions_mut().insert(self);
        response
    }

    fn write_headers(&self, headers: &mut HeaderMap, offers: &Offers) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::Credential(error) => {
                for challenge in error.challenges(offers) {
                    headers.extend(HeaderValue::from_str(&challenge).map(|value| (WWW_AUTHENTICATE, value)));
                }
            }
            Self::Unavailable { retry_after_seconds } => {
                headers.insert(RETRY_AFTER, HeaderValue::from((*retry_after_seconds).max(1)));
            }
            Self::Internal => {}
        }
    }
}

impl From<CredentialError> for Rejected {
    fn from(error: CredentialError) -> Self {
        Self::Credential(error)
    }
}

impl From<VerifyError> for Rejected {
    fn from(error: VerifyError) -> Self {
        let retry_after_seconds = match error {
            VerifyError::Rejected(rejection) => return Self::Credential(rejection.into()),
            VerifyError::Store(_) => DATABASE_RETRY,
            _ => BUSY_RETRY,
        };
        tracing::warn!(target: "tokenry::fault", cause = %error, "service unavailable");
        Self::Unavailable { retry_after_seconds }
    }
}

/// The response where no layer has authenticated the request.
pub(crate) fn without_identity<B: From<Vec<u8>>>() -> Response<B> {
    let cause = "the route is not inside of the layer tokenry_tower::Authenticate";
    tracing::error!(target: "tokenry::fault", %cause, "internal error");
    Rejected::Internal.into_response(&Offers::default())
}
