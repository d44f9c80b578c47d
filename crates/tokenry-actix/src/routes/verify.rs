//! Verification of tokens that were presented to other services.

use std::net::IpAddr;

use actix_web::web::{Data, Json};
use macro_rules_attribute::apply;
use tokenry_service::{
    Scope, ScopeSet, Tokenry, UnixMillis, UsageEvent, VerifiedToken, VerifyError, presented::Presented,
};

use super::endpoint;
use crate::{
    api_caller::Introspector,
    body::{Sequential, StrictJson},
    error::ApiError,
    query::StrictQuery,
    wire,
};

/// Verifies a token that was presented to the caller. The caller's own token needs `introspect`.
#[apply(endpoint)]
#[openapi(tag = "verification",
    request_body = wire::VerifyToken, responses(
    (status = 200, body = wire::Verdict),
))]
pub(crate) async fn verify_token(
    Sequential(Introspector(caller), Sequential(_, StrictJson(body))): Sequential<
        Introspector,
        Sequential<StrictQuery<()>, StrictJson<wire::VerifyToken>>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Verdict>, ApiError> {
    let now = caller.now();
    let required = required_scopes(&body)?;
    let ip = body.ip.as_deref().map(address).transpose()?;
    let verified = match verify(&tokenry, &body.token, now, ip).await? {
        Ok(verified) => verified,
        Err(error) => return Ok(Json(wire::Verdict::invalid(error.code()))),
    };
    let request = AskedRequest {
        now,
        ip,
        method: body.method.as_deref().unwrap_or_default(),
        route: body.resource.as_deref().unwrap_or_default(),
    };
    let missing = missing_scopes(&tokenry, &verified, &required, &request);
    if !missing.is_empty() {
        return Ok(Json(wire::Verdict::missing(missing.to_texts())));
    }
    Ok(Json(wire::Verdict::valid(&verified, &tokenry, now)))
}

/// The verified token, or why it is rejected. The outer error is a failure of this server.
pub(super) async fn verify(
    tokenry: &Tokenry,
    token: &str,
    now: UnixMillis,
    ip: Option<IpAddr>,
) -> Result<Result<VerifiedToken, ApiError>, ApiError> {
    match tokenry.verify(Presented::in_body(token.as_bytes()).token(), now, ip).await {
        Ok(verified) => Ok(Ok(verified)),
        Err(VerifyError::Rejected(rejection)) => {
            let error = ApiError::from(rejection);
            if error.is_invalid_token() {
                tokenry.record_failure(error.code(), ip, now);
            }
            Ok(Err(error))
        }
        Err(error) => Err(error.into()),
    }
}

/// The request of a client, as the caller describes it.
pub(super) struct AskedRequest<'r> {
    pub(super) now: UnixMillis,
    pub(super) ip: Option<IpAddr>,
    pub(super) method: &'r str,
    pub(super) route: &'r str,
}

/// The scopes that the token lacks for the request, which is counted as a use of it.
pub(super) fn missing_scopes(
    tokenry: &Tokenry,
    verified: &VerifiedToken,
    required: &ScopeSet,
    request: &AskedRequest<'_>,
) -> ScopeSet {
    let missing = verified.effective().missing(required);
    if missing.is_empty() {
        record_use(tokenry, verified, request, 200);
        tokenry.record_scopes(verified, required.iter(), request.now);
    } else {
        record_forbidden(tokenry, verified, request, "insufficient_scope");
    }
    missing
}

/// Counts a request that the token does not permit, for the reason with this code.
pub(super) fn record_forbidden(
    tokenry: &Tokenry,
    verified: &VerifiedToken,
    request: &AskedRequest<'_>,
    code: &'static str,
) {
    record_use(tokenry, verified, request, 403);
    tokenry.record_forbidden(&verified.clone().into(), code, request.ip, request.now);
}

fn record_use(tokenry: &Tokenry, verified: &VerifiedToken, request: &AskedRequest<'_>, status: u16) {
    let event = UsageEvent::new(request.now, request.ip, status);
    tokenry.record_use(verified, &event.with_method(request.method).with_route(request.route));
}

/// The scopes that the token must have.
fn required_scopes(body: &wire::VerifyToken) -> Result<ScopeSet, ApiError> {
    let entries = body.scopes.as_deref().unwrap_or_default();
    let scopes = ScopeSet::parse(entries)
        .map_err(|error| ApiError::field("/scopes", "invalid_scope", error.to_string()))?;
    let for_method = match (&body.method, &body.resource) {
        (None, None) => None,
        (Some(method), Some(resource)) => Some(scope_for_method(method, resource)?),
        (Some(_), None) => return Err(ApiError::field("/resource", "required", "Must be sent with method.")),
        (None, Some(_)) => return Err(ApiError::field("/method", "required", "Must be sent with resource.")),
    };
    Ok(scopes.iter().cloned().chain(for_method).collect())
}

/// The scope for a method on a resource. Every method that is not known to only read requires `write`.
fn scope_for_method(method: &str, resource: &str) -> Result<Scope, ApiError> {
    let is_method =
        (1..=20).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if !is_method {
        return Err(ApiError::field(
            "/method",
            "invalid_method",
            "Must be a method in upper case, such as GET.",
        ));
    }
    let level = if matches!(method, "GET" | "HEAD" | "OPTIONS") { "read" } else { "write" };
    format!("{resource}:{level}")
        .parse()
        .map_err(|_| ApiError::field("/resource", "invalid_resource", "Must be the name of a resource."))
}

fn address(text: &str) -> Result<IpAddr, ApiError> {
    text.parse::<IpAddr>()
        .map(|ip| ip.to_canonical())
        .map_err(|_| ApiError::field("/ip", "invalid_address", "Must be an IP address."))
}
