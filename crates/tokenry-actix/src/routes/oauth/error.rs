//! [`OAuthError`]: the body of an error response of OAuth (RFC 6749, section 5.2; RFC 7009, section 2.2.1).

use actix_web::{
    Error, Route,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderValue},
    },
    middleware::{Next, from_fn},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Problem;

/// The body of an error response of the endpoints under `/oauth/` (RFC 6749, section 5.2).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OAuthError {
    /// `invalid_request`, `invalid_client`, `unauthorized_client`, `insufficient_scope`, `temporarily_unavailable` or
    /// `server_error`.
    #[schema(value_type = String, example = "invalid_client")]
    error: &'static str,
    /// A sentence about this occurrence; it never quotes a value of the request.
    error_description: String,
}

/// Whether a path of the table has errors in this form.
pub(crate) fn is_of_oauth(path: &str) -> bool {
    path.starts_with("/oauth/")
}

/// Gives the errors of a route the form of OAuth.
pub(crate) fn wrap(route: Route) -> Route {
    route.wrap(from_fn(convert))
}

async fn convert<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = next.call(req).await?.map_into_boxed_body();
    let Some(problem) = response.response_mut().extensions_mut().remove::<Problem>() else {
        return Ok(response);
    };
    let (status, error) = OAuthError::of(&problem);
    *response.response_mut().status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = serde_json::to_vec(&error)?;
    Ok(response.map_body(|_, _| BoxBody::new(body)))
}

impl OAuthError {
    /// The status and the body for a problem.
    fn of(problem: &Problem) -> (StatusCode, Self) {
        let status =
            StatusCode::from_u16(oauth_status(problem.status().as_u16())).unwrap_or(StatusCode::BAD_REQUEST);
        let error = match (status, problem.code()) {
            (StatusCode::UNAUTHORIZED, _) => "invalid_client",
            (StatusCode::FORBIDDEN, "insufficient_scope") => "insufficient_scope",
            (StatusCode::FORBIDDEN, _) => "unauthorized_client",
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => "temporarily_unavailable",
            (status, _) if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        (status, Self { error, error_description: description(problem) })
    }
}

/// OAuth answers a request with invalid parameters with 400.
pub(crate) fn oauth_status(status: u16) -> u16 {
    if status == 422 { 400 } else { status }
}

/// The sentence, with the first invalid parameter, in the characters of RFC 6749: visible ASCII and spaces without
/// quotation marks and backslashes.
fn description(problem: &Problem) -> String {
    let text = match problem.errors().first() {
        Some(error) => format!("{}: {}", error.pointer.trim_start_matches('/'), error.detail),
        None => problem.detail().to_owned(),
    };
    text.chars().map(|c| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\') { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use tokenry_service::CredentialError;

    use super::*;
    use crate::error::ApiError;

    #[test]
    fn each_error_has_a_code_of_oauth() {
        let field = ApiError::field("/ip", "invalid_value", "Must be an \"IP\" address.");
        for (error, status, code, description) in [
            (ApiError::from(CredentialError::Required), 401, "invalid_client", "Send a token"),
            (CredentialError::RevokedToken.into(), 401, "invalid_client", "The token was revoked."),
            (
                CredentialError::InsufficientScope("introspect".parse().into_iter().collect()).into(),
                403,
                "insufficient_scope",
                "The credential lacks a scope; needed: introspect.",
            ),
            (CredentialError::IpNotAllowed.into(), 403, "unauthorized_client", "The token is not accepted"),
            (CredentialError::Malformed.into(), 400, "invalid_request", "Send one credential"),
            (field, 400, "invalid_request", "ip: Must be an ?IP? address."),
            (ApiError::UnsupportedMediaType, 415, "invalid_request", "This route"),
            (ApiError::PayloadTooLarge, 413, "invalid_request", "The body"),
            (ApiError::MethodNotAllowed { allow: "POST".into() }, 405, "invalid_request", "The path"),
            (ApiError::Unavailable { retry_after_seconds: 1 }, 503, "temporarily_unavailable", "The service"),
            (ApiError::Internal, 500, "server_error", "An internal error"),
        ] {
            let (found, body) = OAuthError::of(&Problem::from(&error));
            assert_eq!((found.as_u16(), body.error), (status, code), "{error:?}");
            assert!(body.error_description.starts_with(description), "{}", body.error_description);
        }
    }
}
