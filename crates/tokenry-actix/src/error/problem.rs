//! [`Problem`]: the body of every refusal, and how each answer of the app comes to have it.

use actix_web::{
    HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiError, Detail, ReadinessCheck};
use crate::request_id::RequestId;

/// The media type of [`Problem`] (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Entries of `errors` in one answer, so that a long list of mistakes is not answered by a longer one.
const MAX_FIELD_ERRORS: usize = 32;

/// One field or parameter that is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// JSON pointer (RFC 6901) to the field in the body; `/name` for the query parameter `name`.
    pub pointer: String,
    /// The stable, machine-readable name of the mistake.
    pub code: &'static str,
    /// A sentence for people; never quotes the value.
    #[schema(value_type = String)]
    pub detail: Detail,
}

impl FieldProblem {
    /// `pointer` is `/name`, or `""` for the whole body.
    #[must_use]
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<Detail>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}

/// The body of a refusal, `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:tokenry:problem:` and the code.
    r#type: String,
    /// The refusal in two or three words, the same for every occurrence.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// A sentence about this occurrence.
    #[schema(value_type = String)]
    detail: Detail,
    /// The stable, machine-readable name of the refusal.
    code: &'static str,
    /// What the `X-Request-Id` header says; finds the request in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The fields and parameters at fault, at most 32 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    /// The readiness checks, of `/readyz` alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<ReadinessCheck>,
}

impl From<&ApiError> for Problem {
    fn from(error: &ApiError) -> Self {
        let (status, code, title) = error.row();
        Self {
            r#type: format!("urn:tokenry:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: error.detail(),
            code,
            request_id: None,
            errors: error.field_errors().iter().take(MAX_FIELD_ERRORS).cloned().collect(),
            checks: error.checks().to_vec(),
        }
    }
}

impl Problem {
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The same refusal for somebody who does not understand its status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status: status.as_u16(), ..self }
    }

    /// The answer as far as it is known without the request. It is whole without [`complete`]; the problem
    /// travels along so that `complete` can write the body again with the request's id.
    pub(crate) fn respond(self, headers: Vec<(HeaderName, HeaderValue)>) -> HttpResponse {
        let mut response = HttpResponse::with_body(self.status(), self.body());
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response.extensions_mut().insert(self);
        response
    }

    fn body(&self) -> BoxBody {
        BoxBody::new(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// Gives a refusal its final body, with the request's id. Other answers pass through untouched.
///
/// A refusal that `ApiError` did not make (actix-web's own, or another middleware's) is rewritten if its body
/// is plain text or nothing; one with a type of its own, such as a page, stays.
pub(crate) fn complete<B: MessageBody>(
    mut response: HttpResponse<B>,
    id: &RequestId,
) -> HttpResponse<EitherBody<B>> {
    let own = response.extensions_mut().remove::<Problem>();
    let Some(mut problem) = own.or_else(|| adopt(&mut response)) else {
        return response.map_into_left_body();
    };
    problem.request_id = Some(id.as_str().to_owned());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    response.map_body(|_, _| EitherBody::right(problem.body()))
}

/// The problem that stands for a foreign refusal, whose headers are filled up on the way.
fn adopt<B>(response: &mut HttpResponse<B>) -> Option<Problem> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let plain = |value: &HeaderValue| value.as_bytes().starts_with(b"text/plain");
    if !response.headers().get(header::CONTENT_TYPE).is_none_or(plain) {
        return None;
    }
    let error = match status {
        StatusCode::UNAUTHORIZED => ApiError::AuthenticationRequired,
        StatusCode::FORBIDDEN => ApiError::Forbidden { detail: "Not allowed.".into(), errors: Vec::new() },
        StatusCode::NOT_FOUND => ApiError::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ApiError::MethodNotAllowed { allow: String::new() },
        StatusCode::REQUEST_TIMEOUT => ApiError::RequestTimeout,
        StatusCode::CONFLICT => ApiError::Conflict { detail: "Not possible in the present state.".into() },
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::UnsupportedMediaType,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ApiError::HeadersTooLarge,
        StatusCode::SERVICE_UNAVAILABLE => ApiError::Unavailable { retry_after_seconds: 1 },
        _ if status.is_client_error() => {
            ApiError::InvalidRequest { detail: "The request cannot be understood.".into() }
        }
        _ => match response.error() {
            Some(cause) => ApiError::internal(cause),
            None => ApiError::internal("an answer of this status without a cause"),
        },
    };
    for (name, value) in error.headers() {
        if !response.headers().contains_key(&name) {
            response.headers_mut().insert(name, value);
        }
    }
    Some(Problem { status: status.as_u16(), ..Problem::from(&error) })
}
