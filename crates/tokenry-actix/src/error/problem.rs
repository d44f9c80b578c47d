//! [`Problem`]: the body of every error response, and its completion with the request id.

use actix_web::{
    HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use serde::Serialize;
use tokenry_service::CredentialError;
use utoipa::ToSchema;

use super::{ApiError, Detail, ReadinessCheck};
use crate::request_id::RequestId;

/// The media type of [`Problem`] (RFC 9457).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Maximum number of `errors` in one response, which bounds its size.
const MAX_FIELD_ERRORS: usize = 32;

/// An invalid field or parameter.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// JSON pointer (RFC 6901) to the field in the body; `/name` for the query parameter `name`.
    pub pointer: String,
    /// The stable, machine-readable code of the error.
    pub code: &'static str,
    /// A sentence for people; it never quotes the value.
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

/// The body of an error response, `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:tokenry:problem:` followed by the code.
    r#type: String,
    /// The kind of error in two or three words, the same for every occurrence.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// A sentence about this occurrence.
    #[schema(value_type = String)]
    detail: Detail,
    /// The stable, machine-readable code of the error.
    code: &'static str,
    /// The value of the `X-Request-Id` header; identifies the request in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The invalid fields and parameters, at most 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    /// The readiness checks; only in responses of `/readyz`.
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

    /// The sentence about this occurrence.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The code of the error.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The invalid fields and parameters.
    pub(crate) fn errors(&self) -> &[FieldProblem] {
        &self.errors
    }

    /// The same problem with another status, for clients that do not understand the original one.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status: status.as_u16(), ..self }
    }

    /// The same problem with the id of its request.
    pub(crate) fn with_request_id(self, id: &RequestId) -> Self {
        Self { request_id: Some(id.as_str().to_owned()), ..self }
    }

    /// The response without the request id. It is valid as it is; the problem is kept in its extensions, so that
    /// [`complete`] can rewrite the body with the id.
    pub(crate) fn respond(self, headers: Vec<(HeaderName, HeaderValue)>) -> HttpResponse {
        let mut response = HttpResponse::with_body(self.status(), self.body());
        for (name, value) in headers {
            response.headers_mut().append(name, value);
        }
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response.extensions_mut().insert(self);
        response
    }

    /// Renames the fields that the errors point to.
    pub(crate) fn rename(&mut self, pointer: impl Fn(&str) -> String) {
        for error in &mut self.errors {
            error.pointer = pointer(&error.pointer);
        }
    }

    pub(crate) fn body(&self) -> BoxBody {
        BoxBody::new(self.to_json())
    }

    /// The body as a text of JSON.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Adds the request id to the body of an error response. Other responses are returned unchanged.
///
/// An error response that is not an `ApiError`, such as one of actix-web or of another middleware, is replaced if its body
/// is plain text or empty; one with another content type, such as a page, is kept.
pub(crate) fn complete<B: MessageBody>(
    mut response: HttpResponse<B>,
    id: &RequestId,
) -> HttpResponse<EitherBody<B>> {
    let own = response.extensions_mut().remove::<Problem>();
    let Some(mut problem) = own.or_else(|| problem_for_foreign(&mut response)) else {
        return response.map_into_left_body();
    };
    problem = problem.with_request_id(id);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    response.map_body(|_, _| EitherBody::right(problem.body()))
}

/// The problem that replaces the body of a foreign error response; adds the missing headers.
fn problem_for_foreign<B>(response: &mut HttpResponse<B>) -> Option<Problem> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let content_type = response.headers().get(header::CONTENT_TYPE);
    if !content_type.is_none_or(|value| value.as_bytes().starts_with(b"text/plain")) {
        return None;
    }
    let error = match status {
        StatusCode::UNAUTHORIZED => CredentialError::Required.into(),
        StatusCode::FORBIDDEN => ApiError::Forbidden { detail: "Not allowed.".into(), errors: Vec::new() },
        StatusCode::NOT_FOUND => ApiError::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ApiError::MethodNotAllowed { allow: String::new() },
        StatusCode::REQUEST_TIMEOUT => ApiError::RequestTimeout,
        StatusCode::CONFLICT => {
            ApiError::Conflict { detail: "The current state does not allow this request.".into() }
        }
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::UnsupportedMediaType,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ApiError::HeadersTooLarge,
        StatusCode::SERVICE_UNAVAILABLE => ApiError::Unavailable { retry_after_seconds: 1 },
        _ if status.is_client_error() => {
            ApiError::InvalidRequest { detail: "The request cannot be understood.".into() }
        }
        _ => match response.error() {
            Some(cause) => ApiError::internal(cause),
            None => ApiError::internal("an error response without a cause"),
        },
    };
    for (name, value) in error.headers() {
        if !response.headers().contains_key(&name) {
            response.headers_mut().append(name, value);
        }
    }
    Some(Problem { status: status.as_u16(), ..Problem::from(&error) })
}
